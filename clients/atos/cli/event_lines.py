"""What a person reads of events: one plain sentence for each kind. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from atos.cli.formatting import clean
from atos.cli.goal_report import question_text
from atos_protocol.proof_words import proof_text

Json = Mapping[str, Any]


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
    if (origin := data.get("guarded")) is not None:
        return f"{name} is {clean(data.get('path'))} of candidate {int(origin) + 1} with a check in front"
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
    name = f"candidate {int(data.get('candidate') or 0) + 1}"
    if then == "translate":
        return f"{name} raises other errors than the stated ones; they are translated"
    if then == "refuse":
        return f"{name} does not raise a stated error; a check is written for it"
    if then == "ask":
        return f"none can be taken: {said or 'no candidate meets what decides'}"
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
    "goal_finished": lambda d: f"finished: {str(d.get('state')).replace('_', ' ')}",
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
