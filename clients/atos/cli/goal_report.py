"""What a person reads of goals and tasks: tables, the report at the end, questions, the result object. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from atos.cli.formatting import MARKS, clean, duration_text, labelled
from atos.cli.next_steps import after_success, as_commands
from atos_protocol.proof_words import proof_text

Json = Mapping[str, Any]
EXIT_CODES = {
    "success": 0, "failed": 1, "cancelled": 130,
    "needs_help": 4, "limit_reached": 4, "waiting": 4,
}  # fmt: skip
RESULT_FIELDS = (
    "goal", "state", "repository", "deployment_url", "engine", "models", "tasks", "tests",
    "seconds", "spent", "id", "isolation", "uid", "interpreter", "announcement", "error",
)  # fmt: skip
TASK_FIELDS = (
    "id", "title", "complexity", "state", "rounds", "proof", "evidence", "question", "why",
)  # fmt: skip
TASK_WIDTH = 89
"""Columns of a task's line where nobody says how wide the terminal is."""
BESIDE_TITLE = 41
GOAL_WIDTH = 106
BESIDE_GOAL = 17


def result_object(view: Json) -> dict[str, Any]:
    """Return the last line of `--json`: what became of a goal."""
    result = {name: view.get(name) for name in RESULT_FIELDS}
    result["tasks"] = [{n: task.get(n) for n in TASK_FIELDS} for task in view.get("tasks", [])]
    return result


def task_table(tasks: Sequence[Json], width: int = TASK_WIDTH) -> list[str]:
    """Return one line per task, `width` columns at most: mark, id, title, complexity, state, rounds."""
    title = max(12, min(width, TASK_WIDTH) - BESIDE_TITLE)
    return [
        (
            f"  {MARKS.get(t['state'], '?')} {t['id']:4}{clean(t['title'], title):{title + 2}}"
            f"{t.get('complexity') or '':9}{'waiting' if t.get('waiting') else t['state']:10}"
            + (f"{t['rounds'] + 1} candidates" if t.get("rounds") else "")
        ).rstrip()
        for t in tasks
    ]


UNTRUSTED = "models wrote it: read it before you run it with your rights"


def _first(lines: list[str], most: int) -> list[str]:
    if len(lines) <= most:
        return lines
    return [*lines[: most - 1], f"and {len(lines) - most + 1} more: atos-client explain"]


def goal_report(view: Json, tasks: Sequence[str] | None = None, most: int = 1000) -> list[str]:
    """Return what is said at the end of a goal: outcome, repository, tests, isolation, next step.

    Args:
        view: the goal as it stands.
        tasks: lines that tell of its tasks; by default one for each.
        most: lines of each list at most, where the report has to fit into a terminal.
    """
    seconds = float(view.get("seconds") or 0)
    mark = MARKS.get(view["state"], "?")
    return [
        "",
        f"{mark} {view['state']} in {seconds:.1f} s: {clean(view['goal'], 100)}",
        *labelled("queue", [queue_text(view)] if queue_text(view) else []),
        *(task_table(view.get("tasks", [])) if tasks is None else tasks),
        *_proof(view, most),
        *_place(view),
        *labelled("time", time_lines(view) if view.get("spent") else []),
        *_next(view),
    ]


def _proof(view: Json, most: int) -> list[str]:
    """Return what the code rests on, what is missing, and what is asked."""
    tests: Json = view.get("tests") or {}
    tasks: Sequence[Json] = view.get("tasks", [])
    counts = f"{tests.get('passed', 0)} passed, {tests.get('failed', 0)} failed"
    kept = [
        f"{task['id']}: {', '.join(task['branches'])}" for task in tasks if task.get("branches")
    ]
    asked = [line for task in tasks if question_text(task) for line in question_lines(task)]
    return [
        *labelled("tests", [counts]),
        *labelled("evidence", _first(evidence_lines(tasks), most)),
        *labelled("not done", _first(reason_lines(tasks), most)),
        *labelled("asks", asked),
        *labelled("kept", kept),
    ]


def _place(view: Json) -> list[str]:
    """Return by what and where it was made."""
    rows: list[tuple[str, str]] = []
    if view.get("isolation"):
        known = view.get("interpreter")
        where = f" (uid {view.get('uid')}, {known})" if known else ""
        rows.append(("sandbox", f"{view['isolation']}{where}"))
    if view.get("models"):
        engine = f" ({view['engine']})" if view.get("engine") else ""
        rows.append(("models", f"{clean(', '.join(view['models']))}{engine}"))
    if view.get("repository"):
        rows.append(("repository", view["repository"]))
        if view["state"] == "success":
            rows.append(("untrusted", UNTRUSTED))
    if view.get("deployment_url"):
        rows.append(("answers at", view["deployment_url"]))
    return [line for label, text in rows for line in labelled(label, [text])]


def _next(view: Json) -> list[str]:
    """Return what a person does now: with what was built, or with what went wrong."""
    error: Json = view.get("error") or {}
    if not error:
        ready = view["state"] == "success" and view.get("repository")
        return labelled("next", after_success(view) if ready else [])
    step = clean(as_commands(error.get("next") or ""), 400)
    why = labelled("why", [clean(error.get("message", ""), 600)])
    return [*why, *labelled("next", [step] if step else [])]


def evidence_lines(tasks: Sequence[Json]) -> list[str]:
    """Return what the code of the done tasks rests on; those with the same evidence share a line."""
    shared: dict[str, list[str]] = {}
    for task in tasks:
        if task["state"] == "done":
            told = clean(proof_text(task.get("proof") or "", task.get("evidence") or ""))
            shared.setdefault(told, []).append(task["id"])
    return [f"{task_ranges(ids)}: {told}" for told, ids in shared.items()]


def task_ranges(ids: Sequence[str]) -> str:
    """Return tasks as a person names them: `T1 to T4, T6`."""
    runs: list[list[str]] = []
    for task in ids:
        if runs and task == f"T{int(runs[-1][-1][1:]) + 1}":
            runs[-1].append(task)
        else:
            runs.append([task])
    ends = [(run[0], run[-1], len(run)) for run in runs]
    named = [
        first if size == 1 else f"{first} to {last}" if size > 2 else f"{first}, {last}"
        for first, last, size in ends
    ]
    return ", ".join(named)


def reason_lines(tasks: Sequence[Json]) -> list[str]:
    """Return why tasks were not done, a line below the other."""
    return [
        clean(f"{t['id'] + ':' if at == 0 else '   '} {line}", 200)
        for t in tasks
        for at, line in enumerate(str(t.get("why") or "").splitlines())
    ]


def time_lines(view: Json) -> list[str]:
    """Return where a goal's seconds went: `31 s: reading prompts 12, writing 9, ...`."""
    spent: dict[str, float] = view.get("spent") or {}
    names = {
        "prompt_s": "reading prompts", "writing_s": "writing", "sandbox_s": "sandbox",
        "waiting_s": "waiting", "rest_s": "rest",
    }  # fmt: skip
    seconds = float(view.get("seconds") or 0)
    parts = [f"{text} {spent.get(name, 0):.0f}" for name, text in names.items()]
    overlap = sum(spent.values()) > seconds + 0.5
    note = "(several at a time: these are sums of work)"
    return [f"{seconds:.0f} s: {', '.join(parts)}", *[note] * overlap]


def queue_text(view: Json) -> str:
    """Say where a queued goal stands: `3 goals before it, begins in about 7 min (2 min each ...)`."""
    if view.get("state") != "queued":
        return ""
    ahead, starts = int(view.get("ahead") or 0), float(view.get("starts_in_s") or 0)
    parts = [f"{ahead} goal{'s' * (ahead > 1)} before it"] if ahead else []
    if starts:
        typical = duration_text(float(view.get("typical_s") or 0))
        parts.append(
            f"begins in about {duration_text(starts)} (the last goals took {typical} each)"
        )
    return ", ".join(parts)


def question_text(data: Json) -> str:
    """Return what a task, or an event, asks; empty where it asks nothing."""
    question: Json = data.get("question") or {}
    return str(question.get("text") or "")


def question_lines(task: Json, width: int = 100) -> list[str]:
    """Return what a task asks, with its numbered options."""
    import textwrap

    question: Json = task.get("question") or {}
    asked = textwrap.wrap(f"{task['id']} asks: {clean(question_text(task), 1000)}", width)
    options = enumerate(question.get("options") or (), start=1)
    return [*asked, *(f"  {number}) {clean(option, width - 6)}" for number, option in options)]


def goals_table(goals: Sequence[Json], width: int = GOAL_WIDTH) -> list[str]:
    """Return one line per goal, newest first; `width` columns, where it is not queued."""
    ids = max((len(g["id"]) for g in goals), default=0) + 2
    text = max(20, width - BESIDE_GOAL - ids)
    return [
        f"  {MARKS.get(g['state'], '?')} {g['id']:{ids}}{g['state']:13}{clean(g['goal'], text)}"
        + f" ({queue_text(g)})" * bool(queue_text(g))
        for g in goals
    ] or ['  none yet: atos-client build "Write a Python function to add two numbers"']
