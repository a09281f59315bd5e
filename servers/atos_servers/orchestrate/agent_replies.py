"""What an agent is told of a goal: one short text that ends with what to call next. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from atos_orchestrator.workspace.delivered_files import Delivered, DeliveredFile
from atos_protocol.goals import FINAL_GOAL_STATES, FINAL_TASK_STATES, GoalView
from atos_protocol.proof_words import proof_text
from atos_servers.orchestrate.digest import cut

CODE_BYTES = 1_800
"""Bytes of code in one reply: about 450 tokens."""
FILE_BYTES = 20_000
"""Bytes of one file that was asked for by name."""
PART_BYTES = 240
MOST_NAMES = 12
GENERATED = frozenset({"README.md", "pyproject.toml", "conftest.py", ".gitignore"})


def reply(view: GoalView, delivered: Delivered | None) -> str:
    """Return a look at a goal: what it is doing, what it asks, or what came out of it.

    Args:
        view: the goal as it stands.
        delivered: its files; None where they could not be read in time.
    """
    if view.state not in FINAL_GOAL_STATES:
        return (
            f"{_head(view)} Still at work: call get_result again with goal_id {view.id}; it waits."
        )
    asking = next((task for task in view.tasks if task.question.text), None)
    if asking is not None:
        question = asking.question
        options = ", ".join(f"{n}) {text}" for n, text in enumerate(question.options, 1))
        said = cut(f"{asking.id} asks: {question.text} {options}", 2 * PART_BYTES)
        return f"{_head(view)} {said}. Call answer with the number of an option."
    if view.state != "success":
        return f"{_head(view)} {_trouble(view)}"
    return "\n".join([f"{_head(view)} {_proof(view)}", *_contents(delivered)])


def one_file(delivered: Delivered, path: str) -> str:
    """Return one file in full, or which files there are."""
    for file in delivered.files:
        if file.path == path.strip().removeprefix("./"):
            return _shown(file, FILE_BYTES)
    return f"There is no file {cut(path, 80)!r}. There are: {_names(delivered)}."


def _head(view: GoalView) -> str:
    settled = sum(task.state in FINAL_TASK_STATES for task in view.tasks)
    tasks = f", {settled} of {len(view.tasks)} tasks" if view.tasks else ""
    tests = view.tests
    counted = f", {tests.passed} tests passed, {tests.failed} failed"
    tested = counted if tests.passed + tests.failed else ""
    return f"{view.id} {view.state}{tasks}{tested}, {view.seconds:.0f} s."


def _trouble(view: GoalView) -> str:
    why = view.error.get("message") or next((t.why for t in view.tasks if t.why), "")
    step = view.error.get("next") or "Say it more precisely, with examples, and start again."
    return f"{cut(why, PART_BYTES)}. Next: {cut(step, PART_BYTES)}."


def _proof(view: GoalView) -> str:
    said = (f"{task.id}: {proof_text(task.proof, task.evidence)}" for task in view.tasks)
    return cut("; ".join(said), PART_BYTES) + "."


def _contents(delivered: Delivered | None) -> Iterator[str]:
    """Name the files, and show the code that was written as far as it fits."""
    if delivered is None:
        yield "Its files are being put away: get_result shows them in a moment."
        return
    if not delivered.files:
        return
    yield f"Commit {delivered.commit[:10]}. Files: {_names(delivered)}."
    left, hidden = CODE_BYTES, 0
    for file in filter(_is_code, delivered.files):
        if len(file.data) <= left:
            left -= len(file.data)
            yield _shown(file, CODE_BYTES)
        else:
            hidden += 1
    if hidden:
        yield f"{hidden} more: get_result with file=PATH shows one."


def _names(delivered: Delivered) -> str:
    names = [cut(file.path, 80) for file in delivered.files]
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more


def _is_code(file: DeliveredFile) -> bool:
    path = PurePosixPath(file.path)
    hidden = path.parts[0].startswith(".") or path.parts[0] in {"tests", "docs"}
    return path.suffix == ".py" and not hidden and path.name not in GENERATED and bool(file.data)


def _shown(file: DeliveredFile, limit: int) -> str:
    text = file.data[:limit].decode(errors="replace")
    cut_off = f"\n[the first {limit} of {len(file.data)} bytes]" if len(file.data) > limit else ""
    return f"--- {file.path}\n{text.rstrip()}{cut_off}"
