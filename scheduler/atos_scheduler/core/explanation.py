"""What a step of the core looks like to a person and to JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, fields
from typing import Any

from atos_scheduler.core.choices import Choice, Option
from atos_scheduler.core.effects import Effect, SetTimer
from atos_scheduler.core.events import (
    Adopted,
    EngineLost,
    Event,
    Evicted,
    ForeignChanged,
    Loaded,
    LoadFailed,
    Measured,
    PlanPublished,
    Released,
    Requested,
    Tick,
    UnloadAsked,
)
from atos_scheduler.core.state_machine import Step
from atos_scheduler.core.types import size_text

QUIET = (ForeignChanged, Measured, PlanPublished, Tick)
"""What happens all the time, and is told only where it had something done."""


def told(step: Step) -> bool:
    """Return whether a person who looks at decisions wants to see this step."""
    return not isinstance(step.event, QUIET) or any(
        not isinstance(effect, SetTimer) for effect in step.effects
    )


def step_json(step: Step, now: float) -> dict[str, Any]:
    """Return a step as JSON values: its number, its age in seconds, what came in, what went out, and why."""
    return {
        "seq": step.seq,
        "ago": max(0.0, now - step.now),
        "event": {"kind": type(step.event).__name__, **_values(step.event)},
        "effects": [{"kind": type(e).__name__, **_values(e)} for e in step.effects],
        "choices": [asdict(choice) for choice in step.choices],
        "text": "; ".join(_texts(step)),
    }


def explain(step: Step) -> str:
    """Return in plain lines what happened in a step, and what else could have."""
    lines = [f"decision {step.seq}: {'; '.join(_texts(step))}"]
    for choice in step.choices:
        lines.append(f"{choice.kind} {choice.chosen} for {choice.lease}: {choice.why}")
        lines += [f"  {_option(option, choice)}" for option in choice.options]
    if not step.choices:
        lines.append("nothing had to be chosen")
    return "\n".join(lines)


def _option(option: Option, choice: Choice) -> str:
    mark = "*" if option.model == choice.chosen else " "
    match option.victims:
        case None:
            cost = "too little may go for it now"
        case ():
            cost = "nothing has to go"
        case gone:
            cost = f"{', '.join(gone)} must go"
    when = "at once" if not option.seconds else f"in {option.seconds:.1f} s"
    return f"{mark} {option.model}: {option.state}, {size_text(option.bytes)}, {cost}, could answer {when}"


def _texts(step: Step) -> Iterable[str]:
    yield _event_text(step.event)
    yield from (_effect_text(effect) for effect in step.effects if not isinstance(effect, SetTimer))


HAPPENED = {
    Loaded: "is loaded",
    Measured: "was measured again",
    LoadFailed: "could not be loaded",
    Evicted: "is out of memory",
    EngineLost: "was lost",
    UnloadAsked: "is to be unloaded, as somebody asks",
}


def _event_text(event: Event) -> str:
    match event:
        case Requested():
            return f"{event.lease} asks for {' or '.join(c.model for c in event.candidates)}"
        case Released():
            return f"{event.lease} is over"
        case Adopted():
            return f"{event.candidate.model} was in memory already"
        case ForeignChanged():
            return f"other programs took or freed memory: {size_text(event.budget)} for models"
        case PlanPublished():
            return f"{event.goal} " + ("tells its plan" if event.steps else "is over")
        case Tick():
            return "a waiting time is over"
        case _:
            reason = getattr(event, "reason", None)
            said = f"{event.model} {HAPPENED[type(event)]}"
            return said + (f" ({reason.message})" if reason else "")


def _effect_text(one: Effect) -> str:
    about = " ".join(str(getattr(one, name)) for name in ("lease", "model") if hasattr(one, name))
    reason = getattr(one, "reason", None)
    return f"{type(one).__name__} {about}".strip() + (f" ({reason.message})" if reason else "")


def _values(one: Event | Effect) -> dict[str, Any]:
    found: dict[str, Any] = asdict(one)
    return {field.name: found[field.name] for field in fields(one)}
