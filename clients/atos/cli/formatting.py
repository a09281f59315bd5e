"""What a person sees of goals, tasks and events: functions from JSON to lines of text, all but `columns` pure."""

from __future__ import annotations

import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from atos_protocol.printable import printable
from atos_protocol.proof_words import proof_text

Json = Mapping[str, Any]

MARKS = {
    "pending": "·", "queued": "·", "planning": "▸", "running": "▸", "verifying": "▸",
    "waiting": "?", "paused": "‖", "done": "✓", "success": "✓", "failed": "✗", "skipped": "-",
    "cancelled": "-", "needs_help": "!", "limit_reached": "!",
}  # fmt: skip
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


def clean(text: object, limit: int = 300) -> str:
    """Return text that is safe to print: one line, nothing hidden, of bounded length."""
    plain = printable(str(text)[: 4 * limit].replace("\n", " ").replace("\t", " "))
    return plain if len(plain) <= limit else plain[: limit - 1] + "…"


def result_object(view: Json) -> dict[str, Any]:
    """Return the last line of `--json`: what became of a goal."""
    result = {name: view.get(name) for name in RESULT_FIELDS}
    result["tasks"] = [{n: task.get(n) for n in TASK_FIELDS} for task in view.get("tasks", [])]
    return result


def _plan(data: Json) -> str:
    tasks = data.get("tasks", [])
    titles = ", ".join(f"{t.get('id')} {clean(t.get('title'), 60)}" for t in tasks)
    return f"plan: {len(tasks)} task{'s' * (len(tasks) != 1)}: {titles}"


def _started(data: Json) -> str:
    models = ", ".join(data.get("models", []))
    engine = data.get("engine")  # empty where it depends on the model that is bound later
    return f"running on {engine}: {models}" if engine else f"running on {models}"


def _call(data: Json) -> str:
    seconds = float(data.get("ended_at", 0)) - float(data.get("started_at", 0))
    return f"{data.get('role')} asked {data.get('model')}: {data.get('tokens')} tokens, {seconds:.1f} s"


def _tests(data: Json) -> str:
    if data.get("untested"):
        return "there is no test to run"
    if data.get("which") == "stub":
        good = "as they must" if not data.get("ok") else "so they prove nothing and are dropped"
        return f"on a stub the model's own tests {'pass' if data.get('ok') else 'fail'}, {good}"
    kind = {"acceptance": "acceptance tests", "model": "the model's own tests"}
    name = kind.get(str(data.get("which")), "all tests")
    verdict = "passed" if data.get("ok") else "failed"
    counts = f"{data.get('passed', 0)} passed, {data.get('failed', 0)} failed"
    return f"{name} {verdict}: {counts} [{data.get('isolation')}]"


def _done(data: Json) -> str:
    others = int(data.get("rounds") or 0)
    rests = f": {clean(proof_text(str(data.get('proof')), str(data.get('evidence') or '')))}"
    return (
        f"{data.get('state')}"
        + f" after {others + 1} candidates" * bool(others)
        + rests * bool(data.get("proof"))
    )


def _written(data: Json) -> str:
    name, parts = f"candidate {int(data.get('round') or 0) + 1}", data.get("parts") or ()
    if (origin := data.get("translated")) is not None:
        path = clean(data.get("path"))
        return (
            f"{name} is {path} of candidate {int(origin) + 1} with the errors that the goal states"
        )
    if not parts:
        return f"{name} wrote {clean(data.get('path'))}"
    numbers = [str(int(at) + 1) for at in dict.fromkeys(parts)]
    return f"{name} is {clean(data.get('path'))} put together from {' and '.join(numbers)}"


def _selected(data: Json) -> str:
    said, dropped = clean(data.get("evidence") or ""), len(data.get("dropped") or ())
    going_on = {
        "combine": "puts functions of several together",
        "repair": "repairs a candidate",
        "escalate": "goes on with a larger model",
    }
    if (then := str(data.get("next"))) in going_on:
        return f"none can be taken; {going_on[then]}"
    if then == "translate":
        at = int(data.get("candidate") or 0) + 1
        return f"candidate {at} raises other errors than the stated ones; they are translated"
    if then == "ask":
        return f"none can be taken: {said or 'no candidate meets what decides'}"
    name = f"candidate {int(data.get('candidate') or 0) + 1}"
    return (
        f"takes {name}"
        + f": {said}" * bool(said)
        + f"; {dropped} assertions dropped" * bool(dropped)
    )


def _evaluated(data: Json) -> str:
    rows: Any = data.get("rows", 0)
    passed: list[Any] = data.get("passed") or []
    told = ", ".join(f"{count} of {rows}" for count in passed)
    return f"assertions passed: {told or 'none'} [{data.get('isolation')}]"


def _evidence(data: Json) -> str:
    names = (("examples", "example"), ("errors", "stated error"), ("tests", "test file"))
    if data.get("can_be_run") is False:
        return "what decides: nothing, as this can't be run; it will be marked as not proven"
    counts = [(int(data.get(field) or 0), noun) for field, noun in names]
    told = [f"{count} {noun}{'s' * (count > 1)}" for count, noun in counts if count]
    return f"what decides: {', '.join(told) or 'nothing in the goal; candidates have to agree'}"


def _asked(data: Json) -> str:
    return f"asks: {clean(question_text(data))}"


def _waiting(data: Json) -> str:
    if pause := float(data.get("pause") or 0):
        return f"waits: {clean(data.get('for'), 200)}; tries again in {pause:.0f} s"
    ahead = int(data.get("ahead") or 0)
    return f"waits for {clean(data.get('for'))}" + f", {ahead} ahead" * bool(ahead)


def _routed(data: Json) -> str:
    if data.get("by") == "n8n":
        return f"n8n chose the pool {clean(data.get('pool'))}"
    return f"built-in route, pool {clean(data.get('pool'))}: {clean(data.get('why'), 300)}"


SAY: dict[str, Callable[[Json], str]] = {
    "goal_submitted": lambda d: f"goal: {clean(d.get('goal', ''), 120)}",
    "goal_started": _started,
    "announcement": lambda d: f"note: {clean(d.get('text', ''), 400)}",
    "plan_ready": _plan,
    "plan_review": lambda d: f"the plan waits for approval: {clean(d.get('digest'))}",
    "noted": lambda d: f"a person adds: {clean(d.get('text'))}",
    "limits_set": lambda d: (
        f"limits set: {d.get('seconds') or '-'} s, {d.get('model_calls') or '-'} model calls"
    ),
    "task_queued": lambda _: "queued",
    "task_routed": _routed,
    "task_started": lambda _: "started",
    "model_call": _call,
    "code_written": _written,
    "syntax_checked": lambda d: (
        "can be judged" if d.get("ok") else f"can't be judged: {clean(d.get('fault') or 'syntax')}"
    ),
    "tests_run": _tests,
    "reflected": lambda d: f"reflected: {clean(d.get('cause', ''), 160)}",
    "evidence_found": _evidence,
    "evaluated": _evaluated,
    "selected": _selected,
    "asked": _asked,
    "goal_resumed": lambda d: (
        f"goes on with {clean(d.get('text'))}: {', '.join(map(str, d.get('tasks') or []))}"
    ),
    "goal_paused": lambda _: "paused: nothing works for it",
    "goal_unpaused": lambda _: "goes on",
    "task_committed": lambda d: f"committed {str(d.get('commit', ''))[:10]}",
    "task_done": _done,
    "goal_verified": lambda d: (
        "nothing was proven by tests"
        if d.get("untested")
        else f"verified: {d.get('passed', 0)} passed, {d.get('failed', 0)} failed"
    ),
    "goal_finished": lambda d: f"finished: {d.get('state')}",
    "waiting": _waiting,
    "warning": lambda d: f"warning: {clean(d.get('text', ''))}",
}
"""Event kind -> the sentence that a person reads."""


def event_line(event: Json) -> str:
    """Return one plain line for an event, such as `12:03:01 T1 wrote add.py`."""
    clock = time.strftime("%H:%M:%S", time.localtime(float(event["at"])))
    return clean(f"{clock} {event.get('task') or '--':3} {said(event)}", 500)


def said(event: Json) -> str:
    """Return what an event says, in one plain sentence: `wrote add.py`."""
    say = SAY.get(event["kind"], lambda d: f"{event['kind']} {clean(dict(d))}")
    return clean(say(event.get("data") or {}), 480)


TASK_WIDTH = 89
"""Columns of a task's line where nobody says how wide the terminal is."""
BESIDE_TITLE = 41
GOAL_WIDTH = 106
BESIDE_GOAL = 17


def columns(otherwise: int) -> int:
    """Return how wide the terminal is, less one; where nothing is drawn on one, `otherwise`."""
    return shutil.get_terminal_size().columns - 1 if sys.stdout.isatty() else otherwise


def task_table(tasks: Sequence[Json], width: int = TASK_WIDTH) -> list[str]:
    """Return one line per task, `width` columns at most: mark, id, title, complexity, state, rounds."""
    title = max(12, min(width, TASK_WIDTH) - BESIDE_TITLE)
    return [
        f"  {MARKS.get(t['state'], '?')} {t['id']:4}{clean(t['title'], title):{title + 2}}"
        f"{t.get('complexity') or '':9}{'waiting' if t.get('waiting') else t['state']:10}"
        + (f"{t['rounds'] + 1} candidates" if t.get("rounds") else "")
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
    tests: dict[str, Any] = view.get("tests") or {}
    seconds = float(view.get("seconds") or 0)
    mark = MARKS.get(view["state"], "?")
    lines = [
        "",
        f"{mark} {view['state']} in {seconds:.1f} s: {clean(view['goal'], 100)}",
        *labelled("queue", [queue_text(view)] if queue_text(view) else []),
        *(task_table(view.get("tasks", [])) if tasks is None else tasks),
        f"  tests       {tests.get('passed', 0)} passed, {tests.get('failed', 0)} failed",
    ]
    lines += labelled("evidence", _first(evidence_lines(view.get("tasks", [])), most))
    lines += labelled("not done", _first(reason_lines(view.get("tasks", [])), most))
    for task in view.get("tasks", []):
        if question_text(task):
            lines += labelled("asks", question_lines(task))
    kept = [
        f"{t['id']}: {', '.join(t['branches'])}" for t in view.get("tasks", []) if t.get("branches")
    ]
    lines += labelled("kept", kept)
    if view.get("isolation"):
        where = (
            f" (uid {view.get('uid')}, {view['interpreter']})" if view.get("interpreter") else ""
        )
        lines.append(f"  sandbox     {view['isolation']}{where}")
    if view.get("models"):
        engine = f" ({view['engine']})" if view.get("engine") else ""
        lines.append(f"  models      {', '.join(view['models'])}{engine}")
    if view.get("repository"):
        lines.append(f"  repository  {view['repository']}")
        if view["state"] == "success":
            lines += labelled("untrusted", [UNTRUSTED])
    if view.get("deployment_url"):
        lines.append(f"  answers at  {view['deployment_url']}")
    if view.get("spent"):
        lines += labelled("time", time_lines(view))
    if error := view.get("error"):
        lines.append(f"  why         {clean(error.get('message', ''), 600)}")
        lines += [f"  next        {clean(error['next'], 400)}"] if error.get("next") else []
    return lines


def labelled(label: str, texts: Sequence[str]) -> list[str]:
    """Return lines of which the first has a label, as in the report."""
    return [f"  {label if at == 0 else '':12}{text}" for at, text in enumerate(texts)]


def evidence_lines(tasks: Sequence[Json]) -> list[str]:
    """Return what the code of each done task rests on."""
    return [
        f"{t['id']}: {clean(proof_text(t.get('proof') or '', t.get('evidence') or ''))}"
        for t in tasks
        if t["state"] == "done"
    ]


def reason_lines(tasks: Sequence[Json]) -> list[str]:
    """Return why tasks were not done, a line below the other."""
    return [
        clean(f"{t['id'] + ':' if at == 0 else '   '} {line}", 200)
        for t in tasks
        for at, line in enumerate(str(t.get("why") or "").splitlines())
    ]


def question_text(data: Json) -> str:
    """Return what a task, or an event, asks; empty where it asks nothing."""
    question: Json = data.get("question") or {}
    return str(question.get("text") or "")


def question_lines(task: Json, width: int = 100) -> list[str]:
    """Return what a task asks, with its numbered options."""
    question: Json = task.get("question") or {}

    asked = textwrap.wrap(f"{task['id']} asks: {clean(question_text(task), 1000)}", width)
    options = enumerate(question.get("options") or (), start=1)
    return [*asked, *(f"  {number}) {clean(option, width - 6)}" for number, option in options)]


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


def duration_text(seconds: float) -> str:
    """Return a rough duration as a person says it: `40 s`, `7 min`, `2.5 h`."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def goals_table(goals: Sequence[Json], width: int = GOAL_WIDTH) -> list[str]:
    """Return one line per goal, newest first; `width` columns, where it is not queued."""
    ids = max((len(g["id"]) for g in goals), default=0) + 2
    text = max(20, width - BESIDE_GOAL - ids)
    return [
        f"  {MARKS.get(g['state'], '?')} {g['id']:{ids}}{g['state']:13}{clean(g['goal'], text)}"
        + f" ({queue_text(g)})" * bool(queue_text(g))
        for g in goals
    ] or ['  none yet: atos-client build "Write a Python function to add two numbers"']


def bytes_text(size: int) -> str:
    """Return a size as a person reads it, in binary units."""
    value = float(size)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"
