"""An evaluation from the host's side: what may be asked, how it is staged, what its report means.

Each candidate gets a copy of the workspace with its own files over it; what they share is linked,
not copied. A run that ends early (a candidate that got at the evaluator, memory, too many
processes) costs the candidate that was being evaluated: those after it are run anew.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from atos_protocol.errors import BadRequestError
from atos_protocol.verdicts import CandidateOutcome
from atos_servers.code_runner import staging
from atos_servers.code_runner.requests import relative_path
from atos_servers.code_runner.run_folder import RunFolder
from atos_servers.code_runner.sandbox.canonical import cut
from atos_servers.code_runner.sandbox.evaluate import PLAN, Plan
from atos_servers.code_runner.sandbox.scan import is_test_file
from atos_servers.code_runner.sandbox.split import module_name

MOST_CANDIDATES, MOST_ASSERTIONS, MOST_CALLS, MOST_MODULES = 12, 80, 60, 20
TEXT_BYTES = 64 * 1024
REPLY_BYTES = 30_000
"""For all outcomes together: 8,000 tokens, less what stands around them."""
NO_MODULES = frozenset({"conftest.py", "__main__.py", "setup.py"})
NOT_LOADED = "error: not loaded"
NOT_RUN = "error: not run"
SHORTEST = 12
STEPS = (
    (120, 300), (60, 300), (30, 300), (0, 300), (0, 150), (0, 80), (0, 40), (0, 24), (0, SHORTEST),
)  # fmt: skip
"""Characters of messages and of values, from what is wished for to what always fits."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What is to be evaluated, checked.

    Raises:
        BadRequestError: too many, too long, or nothing to import.
    """

    candidates: tuple[Mapping[str, str], ...]
    assertions: tuple[str, ...]
    calls: tuple[str, ...]
    modules: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_counts(self)
        for candidate in self.candidates:
            _check_size("a candidate", *candidate.values())
        for text in self.assertions + self.calls:
            _check_size("an assertion or call", text)
        for name in self.modules:
            if not all(part.isidentifier() for part in name.split(".")):
                message = f"{name[:80]!r} is not the name of a module"
                raise BadRequestError(
                    message, next_step="Give names such as 'stack' or 'app.core'."
                )

    def modules_of(self, index: int) -> tuple[str, ...]:
        """Return the modules whose names the assertions may use with a candidate."""
        if self.modules:
            return self.modules
        paths = (str(relative_path(path)) for path in self.candidates[index])
        names = [module_name(path) for path in paths if _is_module(path)]
        return tuple(sorted(names))[:MOST_MODULES]


def _is_module(path: str) -> bool:
    name = PurePosixPath(path).name
    return name.endswith(".py") and name not in NO_MODULES and not is_test_file(path)


def _check_counts(asked: Evaluated) -> None:
    counts = (
        ("candidates", len(asked.candidates), MOST_CANDIDATES),
        ("assertions", len(asked.assertions), MOST_ASSERTIONS),
        ("calls", len(asked.calls), MOST_CALLS),
        ("modules", len(asked.modules), MOST_MODULES),
    )
    for name, count, most in counts:
        if count > most:
            message = f"{count} {name} are more than {most}"
            raise BadRequestError(message, next_step=f"Give at most {most} {name} per call.")
    if not asked.candidates:
        message = "there is no candidate"
        raise BadRequestError(message, next_step="Give at least one: path -> text of its files.")
    for index in range(len(asked.candidates)):
        if not asked.modules_of(index):
            message = f"candidate {index} has no Python file that is not a test"
            raise BadRequestError(message, next_step="Name the modules to import in `modules`.")


def _check_size(what: str, *texts: str) -> None:
    if (size := sum(len(text.encode(errors="surrogatepass")) for text in texts)) > TEXT_BYTES:
        message = f"{what} has {size} bytes, more than {TEXT_BYTES}"
        raise BadRequestError(message, next_step="Leave out what need not be evaluated.")


def stage(
    path: Path,
    roots: Sequence[Path],
    folder: RunFolder,
    asked: Evaluated,
    numbers: Sequence[int],
) -> None:
    """Make a folder for each of these candidates, and the plan.

    Raises:
        WorkspaceError: the workspace is outside the roots, unreadable or too large.
        BadRequestError: a candidate's path is absolute or climbs.
    """
    first, *others = (folder.code / str(number) for number in numbers)
    first.mkdir()
    staging.stage_folder(path, roots, first)
    for other in others:
        shutil.copytree(first, other, copy_function=_link)
    for number in numbers:
        _put_over(folder.code / str(number), asked.candidates[number])
    modules = tuple(asked.modules_of(number) for number in numbers)
    plan = Plan(tuple(numbers), modules, asked.assertions, asked.calls)
    (folder.scratch / PLAN).write_text(plan.to_json(), encoding="utf-8")


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without links
        shutil.copyfile(source, target)


def _put_over(folder: Path, files: Mapping[str, str]) -> None:
    for name in files:
        with contextlib.suppress(OSError):  # a file that is written anew is nobody else's
            (folder / relative_path(name)).unlink()
    staging.put(folder, files)


@dataclass(slots=True)
class Progress:
    """What has been reported about one candidate."""

    load: str | None = None
    cells: list[str] = field(default_factory=list[str])

    def is_complete(self, cells: int) -> bool:
        """Return whether nothing more is to be expected."""
        return self.load is not None and (self.load != "" or len(self.cells) >= cells)

    def fill(self, cells: int, load: str, next_cell: str, others: str) -> None:
        """Complete it with what became of the rest."""
        if self.load is None:
            self.load = load
        elif self.load == "" and len(self.cells) < cells:
            self.cells.append(next_cell)
        self.cells += [NOT_LOADED if self.load else others] * (cells - len(self.cells))

    def outcome(self, assertions: int) -> CandidateOutcome:
        """Return the candidate's outcome."""
        return CandidateOutcome(
            self.load or "", tuple(self.cells[:assertions]), tuple(self.cells[assertions:])
        )


class Report:
    """The outcomes of all candidates, over as many runs as it takes."""

    def __init__(self, asked: Evaluated) -> None:
        self._asked = asked
        self._cells = len(asked.assertions) + len(asked.calls)
        self._progress = [Progress() for _ in asked.candidates]

    @property
    def left(self) -> list[int]:
        """The candidates that are not complete."""
        return [n for n, each in enumerate(self._progress) if not each.is_complete(self._cells)]

    def add(self, records: Sequence[dict[str, Any]]) -> None:
        """Take what a run reported."""
        for record in records:
            if record["event"] == "load":
                self._progress[record["candidate"]].load = record["why"]
            elif record["event"] == "cell":
                self._progress[record["candidate"]].cells.append(record["why"])

    def blame(self, reason: str) -> None:
        """Charge the candidate that was being evaluated with the early end of a run."""
        if left := self.left:
            why = f"the run ended: {reason}"
            self._progress[left[0]].fill(self._cells, why, f"error: {why}", NOT_RUN)

    def outcomes(self) -> tuple[CandidateOutcome, ...]:
        """Return all outcomes, short enough for a reply; what did not run counts as timed out."""
        count = len(self._asked.assertions)
        for each in self._progress:
            each.fill(self._cells, "timeout", "timeout", "timeout")
        return fitted([each.outcome(count) for each in self._progress])


def _shortened(text: str, message: int, value: int) -> str:
    if text.startswith("= "):
        return cut(text, value)
    kind, separator, rest = text.partition(": ")
    if kind == "error" and value == SHORTEST:
        return kind
    if kind == "error":
        name, _, said = rest.partition(": ")
        short = cut(said, message) if message else ""
        return f"error: {cut(name, 60)}: {short}" if short else f"error: {cut(name, 60)}"
    short = cut(rest, message) if message else ""
    return f"{kind}{separator}{short}" if short else kind


def fitted(outcomes: Sequence[CandidateOutcome]) -> tuple[CandidateOutcome, ...]:
    """Shorten what candidates did until all of it fits: messages first, then values."""
    for message, value in STEPS:
        short = _each(outcomes, lambda text, m=message, v=value: _shortened(text, m, v))
        if sum(map(_size, short)) <= REPLY_BYTES:
            return short
    return _each(outcomes, lambda text: _shortened(text, 0, SHORTEST))


def _size(one: CandidateOutcome) -> int:
    return len(json.dumps([one.load, one.rows, one.values], ensure_ascii=False).encode())


def _each(
    outcomes: Sequence[CandidateOutcome], change: Callable[[str], str]
) -> tuple[CandidateOutcome, ...]:
    return tuple(
        CandidateOutcome(one.load, tuple(map(change, one.rows)), tuple(map(change, one.values)))
        for one in outcomes
    )
