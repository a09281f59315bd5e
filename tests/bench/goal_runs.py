"""One run of one goal by one arm: what is kept of it, and the file that makes a benchmark resumable.

A run is known by arm, goal text, seed, and a digest of the text and its hidden tests, so that a goal that
was changed is run anew and everything else is skipped.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from bench.sample_goals import GoalVariant

Arm = Literal["bare", "atos"]
ARMS: tuple[Arm, ...] = get_args(Arm)
Outcome = Literal["solved", "wrong", "asked", "failed"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
Files = Mapping[str, str]
"""Path -> text."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What the model calls of a run took."""

    prompt_tokens: int = 0
    tokens: int = 0
    calls: int = 0


@dataclass(frozen=True, slots=True)
class Delivery:
    """What an arm came back with, before anyone looked at the hidden tests."""

    files: Files
    """The files that the goal asked for, as far as they are there."""
    state: Literal["delivered", "asked", "failed"]
    seconds: float
    """Wall time from the question to the answer, without the start of daemons."""
    costs: Costs = Costs()
    proof: str = ""
    """What was claimed as proof, with what it rests on."""
    why: str = ""
    """What was said where nothing was delivered."""
    candidates: tuple[Files, ...] = ()
    """Every program that was sampled on the way, for the ceiling; empty where that is unknown."""


@dataclass(frozen=True, slots=True)
class GoalRun:
    """A judged delivery."""

    model: str
    arm: Arm
    goal: str
    """Id of the goal's text."""
    seed: int
    digest: str
    outcome: Outcome
    delivery: Delivery
    reachable: bool
    """The ceiling: what was delivered, or one of the candidates, passes the hidden tests."""
    failures: str = field(default="")
    """Which hidden tests what was delivered fails."""
    at_once: int = 1
    """Runs that were at work at the same time: only where it was alone do its seconds say anything."""

    @property
    def key(self) -> tuple[str, str, int, str]:
        """What makes this run the same as another."""
        return (self.arm, self.goal, self.seed, self.digest)


def digest_of(variant: GoalVariant) -> str:
    """Return what changes with the goal's text or its tests."""
    body = "\0".join((variant.text, variant.sample.tests, *variant.sample.modules))
    return hashlib.sha256(body.encode()).hexdigest()[:12]


def current(runs: Iterable[GoalRun], texts: Iterable[GoalVariant]) -> list[GoalRun]:
    """Return the runs of these texts, without those of a goal as it was before a change."""
    known = {(variant.id, digest_of(variant)) for variant in texts}
    return [run for run in runs if (run.goal, run.digest) in known]


def read_runs(lines: Iterable[bytes]) -> list[GoalRun]:
    """Build runs from their lines."""
    return [_run(json.loads(line)) for line in lines]


class RunFile:
    """The runs of one model, one JSON line each."""

    def __init__(self, path: Path) -> None:
        """Read what is there; a last line that a kill cut off is dropped."""
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        data = path.read_bytes() if path.exists() else b""
        whole = data[: data.rfind(b"\n") + 1]
        if whole != data:
            os.truncate(path, len(whole))
        self.runs = read_runs(whole.splitlines())

    def __contains__(self, key: object) -> bool:
        return any(run.key == key for run in self.runs)

    def add(self, run: GoalRun) -> None:
        """Append a run; it is on disk when this returns."""
        with self._path.open("ab") as file:
            file.write(json.dumps(asdict(run), ensure_ascii=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self.runs.append(run)


def _run(data: dict[str, Any]) -> GoalRun:
    delivery: dict[str, Any] = data.pop("delivery")
    delivery["costs"] = Costs(**delivery["costs"])
    delivery["candidates"] = tuple(delivery["candidates"])
    return GoalRun(**data, delivery=Delivery(**delivery))
