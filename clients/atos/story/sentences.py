"""What happened to a goal, in plain sentences, each with the events that it rests on. Pure.

A sentence says nothing that its events do not: a test takes every number and name of a story back to them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from atos_protocol.goals import Event
from atos_protocol.printable import printable
from atos_protocol.proof_words import proof_text
from atos_protocol.redaction import redacted

MOST = 300
"""Characters of what a person or a model wrote."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """One statement."""

    text: str
    task: str
    """Empty where it concerns the whole goal."""
    at: float
    """Epoch seconds."""
    events: tuple[int, ...] = ()
    """Numbers of the goal's events that it rests on."""
    decision: int = 0
    """The scheduler's decision that it rests on, if it is one about a swap."""


def story_of(
    events: Sequence[Event], decisions: Sequence[Mapping[str, Any]] = ()
) -> list[Sentence]:
    """Return the story of a goal's events, in the order in which things happened.

    Args:
        events: of one goal, in order.
        decisions: as the scheduler tells of them (`GET /atos/v1/decisions`); those of this goal add why a model was
            loaded, and what had to go for it.
    """
    teller = _Teller()
    told = [sentence for event in events for sentence in teller.sentences(event)]
    goal = events[0].goal if events else ""
    kept = {_text(event, "load_why") for event in events if event.kind == "model_call"}
    told += [
        sentence
        for each in decisions
        for sentence in _swaps(each, goal, events[-1].at)
        if not any(why and why in sentence.text for why in kept)
    ]
    return sorted(told, key=lambda sentence: sentence.at)


class _Teller:
    """Keeps what later sentences need: how many rows each candidate met, and what each task last ran."""

    def __init__(self) -> None:
        self._met: dict[tuple[str, int], tuple[int, int, int]] = {}
        """Task and candidate -> rows met, rows, number of the event."""

    def sentences(self, event: Event) -> Iterator[Sentence]:
        """Yield what an event adds to the story; most add one sentence, some none."""
        tell: Callable[[Event], Iterator[Sentence]] | None = getattr(self, f"_{event.kind}", None)
        if tell is None:
            return
        try:
            told = list(tell(event))
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
            told = [_said(event, f"Something was recorded that can't be read ({event.kind}).")]
        yield from told

    def _goal_submitted(self, event: Event) -> Iterator[Sentence]:
        yield _said(event, f"You asked for: {_text(event, 'goal')}")

    def _goal_started(self, event: Event) -> Iterator[Sentence]:
        models = ", ".join(map(str, event.data.get("models") or ())) or "the models of its pools"
        yield _said(event, f"Work began, with {_plain(models)}.")

    def _announcement(self, event: Event) -> Iterator[Sentence]:
        yield _said(event, f"You were told: {_text(event, 'text')}")

    def _plan_ready(self, event: Event) -> Iterator[Sentence]:
        tasks: Sequence[Mapping[str, Any]] = event.data.get("tasks") or ()
        yield _said(event, f"It was planned as {_counted(len(tasks), 'task')}.")
        for task in tasks:
            after = ", ".join(map(str, task.get("depends_on") or ()))
            about = f"{task.get('complexity')}" + f", after {after}" * bool(after)
            yield _said(event, f"{task.get('id')} is: {_plain(task.get('title'))} ({about}).")

    def _plan_review(self, event: Event) -> Iterator[Sentence]:
        yield _said(event, "The plan waited for your approval.")

    def _noted(self, event: Event) -> Iterator[Sentence]:
        yield _said(event, f"You added: {_text(event, 'text')}")

    def _task_routed(self, event: Event) -> Iterator[Sentence]:
        who = "n8n chose" if event.data.get("by") == "n8n" else "ATOS's own route chose"
        why = f", because {_text(event, 'why')}" if event.data.get("why") else ""
        yield _said(event, f"{who} the pool {_text(event, 'pool')}{why}.")

    def _evidence_found(self, event: Event) -> Iterator[Sentence]:
        if event.data.get("can_be_run") is False:
            yield _said(event, "It can't be run, so nothing decides about it.")
            return
        names = (("examples", "example"), ("errors", "stated error"), ("tests", "test file"))
        found = [
            _counted(_count(event, field), noun) for field, noun in names if _count(event, field)
        ]
        told = (
            f"What decides: {', '.join(found)}."
            if found
            else "Nothing in the goal decides; candidates have to agree."
        )
        yield _said(event, told)

    def _model_call(self, event: Event) -> Iterator[Sentence]:
        data, model = event.data, _text(event, "model")
        if loading := _number(event, "loading"):
            yield _said(event, f"{model} was loaded for this, which took {loading:.1f} s.")
            yield from _load_reason(event)
        if (queued := _number(event, "queued") - loading) >= 0.1:
            yield _said(event, f"The request waited {queued:.1f} s for {model}.")
        seconds = max(0.0, _number(event, "ended_at") - _number(event, "started_at"))
        where = f" on {_text(event, 'engine')}" if data.get("engine") else ""
        yield _said(
            event, f"{model}{where} was asked as {_text(event, 'role')}: {_count(event, 'tokens')} tokens in {seconds:.1f} s."
        )  # fmt: skip

    def _code_written(self, event: Event) -> Iterator[Sentence]:
        name, path = _candidate(_count(event, "round")), _text(event, "path")
        if (origin := event.data.get("translated")) is not None:
            yield _said(
                event,
                f"{name} is {_candidate(int(origin))} with the errors that the goal states ({path}).",
            )
        elif (origin := event.data.get("guarded")) is not None:
            yield _said(
                event, f"{name} is {_candidate(int(origin))} with a check in front ({path})."
            )
        elif parts := event.data.get("parts"):
            from_whom = ", ".join(_candidate(int(at)) for at in dict.fromkeys(parts))
            yield _said(event, f"{name} was put together from {from_whom} ({path}).")
        else:
            yield _said(event, f"{name} was written: {path}.")

    def _syntax_checked(self, event: Event) -> Iterator[Sentence]:
        if event.data.get("ok") is False:
            fault = _text(event, "fault") or "its syntax is wrong"
            yield _said(event, f"{_candidate(_count(event, 'round'))} can't be judged: {fault}.")

    def _evaluated(self, event: Event) -> Iterator[Sentence]:
        rows, passed = _count(event, "rows"), list(event.data.get("passed") or ())
        for at, met in zip(event.data.get("judged") or (), passed, strict=False):
            self._met[event.task, int(at)] = int(met), rows, event.seq
            yield _said(event, f"{_candidate(int(at))} met {met} of {_counted(rows, 'assertion')}.")

    def _selected(self, event: Event) -> Iterator[Sentence]:
        at, then = _count(event, "candidate"), _text(event, "next")
        name, evidence = _candidate(at), _text(event, "evidence")
        going_on = {
            "combine": "None could be taken; functions of several were put together.",
            "repair": f"None could be taken; {name} was repaired.",
            "escalate": "None could be taken; a larger model went on.",
            "translate": f"{name} raised other errors than the stated ones; they were translated.",
            "refuse": f"{name} did not raise a stated error; a check was written for it.",
            "ask": f"None could be taken: {evidence or 'no candidate meets what decides'}.",
        }
        if then in going_on:
            yield _said(event, going_on[then])
            return
        if then not in {"", "test", "accept"}:
            yield _said(event, f"None could be taken yet; next: {then}.")
            return
        yield _said(event, f"{name} won" + (f": {evidence}." if evidence else "."))
        yield from self._losers(event, at)

    def _losers(self, event: Event, winner: int) -> Iterator[Sentence]:
        for (task, at), (met, rows, seq) in sorted(self._met.items()):
            if task == event.task and at != winner:
                why = (
                    f"it met {met} of {rows}"
                    if met < rows
                    else "it met as many, and another was taken"
                )
                yield Sentence(f"{_candidate(at)} lost: {why}.", task, event.at, (seq, event.seq))

    def _tests_run(self, event: Event) -> Iterator[Sentence]:
        if event.data.get("untested"):
            yield _said(event, "There was no test to run.")
            return
        if event.data.get("which") == "stub":
            good = (
                "still passed on a stub, so they prove nothing"
                if event.data.get("ok")
                else "failed on a stub, as they must"
            )
            yield _said(event, f"The delivered tests {good}.")
            return
        counts = f"{_count(event, 'passed')} passed, {_count(event, 'failed')} failed"
        whose = "Its tests" if event.task else "All tests"
        yield _said(event, f"{whose} {'passed' if event.data.get('ok') else 'failed'}: {counts}.")

    def _reflected(self, event: Event) -> Iterator[Sentence]:
        yield _said(event, f"The cause was thought to be: {_text(event, 'cause')}")

    def _asked(self, event: Event) -> Iterator[Sentence]:
        question: Mapping[str, Any] = event.data.get("question") or {}
        options = " or ".join(map(_plain, question.get("options") or ()))
        yield _said(
            event, f"It asked you: {_plain(question.get('text'))}" + f" ({options})" * bool(options)
        )

    def _goal_resumed(self, event: Event) -> Iterator[Sentence]:
        tasks = ", ".join(map(str, event.data.get("tasks") or ()))
        yield _said(
            event,
            f"It went on with {_text(event, 'text') or 'another try'}"
            + f": {tasks}." * bool(tasks),
        )

    def _goal_paused(self, event: Event) -> Iterator[Sentence]:
        yield _said(event, "You paused it.")

    def _goal_unpaused(self, event: Event) -> Iterator[Sentence]:
        yield _said(event, "You let it go on.")

    def _waiting(self, event: Event) -> Iterator[Sentence]:
        ahead = _count(event, "ahead")
        yield _said(
            event,
            f"It waited for {_text(event, 'for') or 'something'}"
            + f", with {ahead} ahead" * bool(ahead)
            + ".",
        )

    def _warning(self, event: Event) -> Iterator[Sentence]:
        yield _said(event, f"Warning: {_text(event, 'text')}")

    def _task_committed(self, event: Event) -> Iterator[Sentence]:
        yield _said(event, f"It was committed as {_text(event, 'commit')[:10]}.")

    def _task_done(self, event: Event) -> Iterator[Sentence]:
        proof = str(event.data.get("proof") or "")
        rests = (
            f"; it rests on: {_plain(proof_text(proof, str(event.data.get('evidence') or '')))}"
            if proof
            else ""
        )
        yield _said(event, f"{event.task} ended as {_text(event, 'state')}{rests}.")

    def _goal_verified(self, event: Event) -> Iterator[Sentence]:
        if event.data.get("untested"):
            yield _said(event, "The whole was not proven by tests.")
            return
        counts = f"{_count(event, 'passed')} passed, {_count(event, 'failed')} failed"
        yield _said(event, f"The whole was tested: {counts} [{_text(event, 'isolation')}].")

    def _goal_finished(self, event: Event) -> Iterator[Sentence]:
        error: Mapping[str, Any] = event.data.get("error") or {}
        why = f": {_plain(error.get('message'))}" if error.get("message") else ""
        yield _said(event, f"The goal ended as {_text(event, 'state')}{why}.")


def _load_reason(event: Event) -> Iterator[Sentence]:
    """Yield the scheduler's own reason, which the event of the call has kept."""
    if why := _text(event, "load_why"):
        gone = ", ".join(map(_plain, event.data.get("load_victims") or ()))
        text = f"The scheduler loaded {_text(event, 'model')}: {why}"
        yield _said(event, f"{text}; {gone} had to go." if gone else f"{text}.")


def _swaps(decision: Mapping[str, Any], goal: str, otherwise: float) -> Iterator[Sentence]:
    """Yield why a model was loaded for this goal, as the scheduler remembers it."""
    for choice in decision.get("choices") or ():
        if choice.get("kind") != "load" or decision.get("goal") != goal:
            continue
        options: list[dict[str, Any]] = choice.get("options") or []
        taken = [option for option in options if option["model"] == choice["chosen"]]
        gone = ", ".join(map(_plain, (taken[0].get("victims") or ()) if taken else ()))
        text = f"The scheduler loaded {_plain(choice['chosen'])}: {_plain(choice.get('why'))}"
        text += f"; {gone} had to go" * bool(gone)
        yield Sentence(
            f"{text}.", "", float(decision.get("at") or otherwise), (), int(decision["seq"])
        )


def _said(event: Event, text: str) -> Sentence:
    begin = text[:1].upper() + text[1:] if text.startswith("candidate") else text
    return Sentence(begin, event.task, event.at, (event.seq,))


def _candidate(number: int) -> str:
    return f"candidate {number + 1}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _plain(text: object) -> str:
    plain = redacted(printable(" ".join(str(text if text is not None else "").split())))
    return plain if len(plain) <= MOST else f"{plain[: MOST - 1]}…"


def _text(event: Event, name: str) -> str:
    return _plain(event.data.get(name))


def _number(event: Event, name: str) -> float:
    value = event.data.get(name)
    return float(value) if isinstance(value, int | float) and 0 < value < 1e12 else 0.0


def _count(event: Event, name: str) -> int:
    return int(_number(event, name))
