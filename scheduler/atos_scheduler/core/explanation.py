"""What a step of the core looks like to a person and to JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, fields
from typing import Any

from atos_scheduler.core.choices import Choice, Option
from atos_scheduler.core.effects import Effect
from atos_scheduler.core.events import Event, Requested
from atos_scheduler.core.state_machine import Step
from atos_scheduler.core.types import size_text


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
    yield _text(step.event)
    yield from (_text(effect) for effect in step.effects)


def _text(one: Event | Effect) -> str:
    if isinstance(one, Requested):
        wanted = " or ".join(c.model for c in one.candidates)
        return f"{one.lease} asks for {wanted}"
    about = " ".join(str(getattr(one, name)) for name in ("lease", "model") if hasattr(one, name))
    reason = getattr(one, "reason", None)
    return f"{type(one).__name__} {about}".strip() + (f" ({reason.message})" if reason else "")


def _values(one: Event | Effect) -> dict[str, Any]:
    found: dict[str, Any] = asdict(one)
    return {field.name: found[field.name] for field in fields(one)}
