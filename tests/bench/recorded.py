"""Recorded replies: one JSON line per problem, so that policies are compared without a model.

While a recording goes on, its lines stand in `<name>.part`; each is on disk before the next problem begins,
and a last line that a kill cut off is dropped and asked again. At the end they are packed into `<name>`.
Problems whose requests have changed since they were recorded are asked anew.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from atos_orchestrator.agents.model_request import ModelRequest
from bench.humaneval import Problem


@dataclass(frozen=True, slots=True)
class RecordedReply:
    """A model's answer to one request, with what it cost."""

    role: str
    """`coder` or `tester`."""
    seed: int
    text: str
    cut: bool
    """It ran into its limit of tokens."""
    read: int
    """Prompt tokens that were processed."""
    reused: int
    """Prompt tokens that an earlier request had left in the cache."""
    tokens: int
    """Tokens that were generated."""
    seconds: float
    """Reading and generating, as the engine measured them."""


@dataclass(frozen=True, slots=True)
class RecordedProblem:
    """A problem and all replies to it."""

    model: str
    problem: Problem
    requests: str
    """Digest of what was asked."""
    replies: tuple[RecordedReply, ...]

    def of(self, role: str) -> list[RecordedReply]:
        """Return the replies of a role, in the order in which they were asked for."""
        return [reply for reply in self.replies if reply.role == role]


def digest_of(requests: Sequence[ModelRequest]) -> str:
    """Return what changes with any of the requests."""
    body = json.dumps([asdict(request) for request in requests], sort_keys=True)
    return hashlib.sha256(body.encode()).hexdigest()[:12]


def read_recording(path: Path) -> list[RecordedProblem]:
    """Read a finished recording."""
    return [recorded_problem(json.loads(line)) for line in read_lines(path)]


def read_lines(path: Path) -> list[bytes]:
    """Return the lines of a packed file."""
    return gzip.decompress(path.read_bytes()).splitlines()


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Pack lines into a file, atomically and the same for the same lines."""
    data = "".join(f"{line}\n" for line in lines).encode()
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_bytes(gzip.compress(data, mtime=0))
    fresh.replace(path)


def recorded_problem(data: dict[str, Any]) -> RecordedProblem:
    """Build a problem from its line."""
    return RecordedProblem(
        model=data["model"],
        problem=Problem(**data["problem"]),
        requests=data["requests"],
        replies=tuple(RecordedReply(**reply) for reply in data["replies"]),
    )


class Recording:
    """A recording in progress, begun or taken up again."""

    def __init__(self, path: Path) -> None:
        """Read what there is of it, finished or not."""
        self._path = path
        self._part = path.with_name(f"{path.name}.part")
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not self._part.exists():
            self._part.write_bytes(b"".join(line + b"\n" for line in read_lines(path)))
        self._known = {found.problem.id: found for found in self._whole_lines()}

    def _whole_lines(self) -> list[RecordedProblem]:
        data = self._part.read_bytes() if self._part.exists() else b""
        whole = data[: data.rfind(b"\n") + 1]
        if whole != data:
            os.truncate(self._part, len(whole))
        return [recorded_problem(json.loads(line)) for line in whole.splitlines()]

    def has(self, problem: Problem, requests: str) -> bool:
        """Tell whether a problem was recorded with these very requests."""
        known = self._known.get(problem.id)
        return known is not None and known.requests == requests

    def add(self, recorded: RecordedProblem) -> None:
        """Append a problem; it is on disk when this returns. The newest of a problem counts."""
        with self._part.open("ab") as file:
            file.write(json.dumps(asdict(recorded)).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._known[recorded.problem.id] = recorded

    def finish(self, wanted: Sequence[Problem]) -> None:
        """Pack the problems that were wanted, in their order, and remove the working file."""
        kept = [self._known[problem.id] for problem in wanted]
        write_lines(self._path, (json.dumps(asdict(recorded)) for recorded in kept))
        self._part.unlink(missing_ok=True)
