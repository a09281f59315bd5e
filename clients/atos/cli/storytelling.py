"""The commands that tell of a goal after the fact: explain's story, film, trace. All read the goal's events."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from argparse import Namespace
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from atos.cli.formatting import columns
from atos.cli.goals import latest
from atos.cli.host_connection import HostClient, http_get
from atos.story.sentences import Sentence, story_of
from atos.story.waterfall import svg, terminal_lines
from atos.tracing.spans import spans_of
from atos_protocol.daemons import connect
from atos_protocol.errors import AtosError, BadRequestError
from atos_protocol.goals import Event
from atos_protocol.settings import Settings

WIDTH = 100
"""Columns of the story where it is not printed on a terminal."""


def events_of(orchestrate: HostClient, goal: str) -> list[Event]:
    """Return all events of a goal, in order.

    Raises:
        NotFoundError: there is no such goal.
    """
    found: list[Event] = []
    seq = 0
    while True:
        request = {"goal_id": goal, "after_seq": seq, "timeout_s": 0, "detail": "events"}
        news = orchestrate.call("wait_goal", request)
        found += [
            Event(e["seq"], e["goal"], e.get("task") or "", e["kind"], e["at"], e.get("data") or {})
            for e in news["events"]
        ]
        if not news["events"]:
            return found
        seq = news["seq"]


def decisions_of(goal: str, settings: Settings) -> list[Mapping[str, Any]]:
    """Return the scheduler's decisions to load something for a goal; none where it is down or has forgotten them.

    A decision tells of leases; whose a lease is, the request that began it tells.
    """
    found: dict[str, Any] = {}
    with contextlib.suppress(AtosError):
        found = http_get(connect("scheduler", settings), "/atos/v1/decisions")
    return list(_of_goal(found.get("decisions") or (), goal, time.time()))


def _of_goal(decisions: Any, goal: str, now: float) -> Iterator[Mapping[str, Any]]:
    requests: list[dict[str, Any]] = [
        step["event"] for step in decisions if step["event"]["kind"] == "Requested"
    ]
    leases = {each["lease"] for each in requests if each["demand"]["goal"] == goal}
    for step in decisions:
        choices = [choice for choice in step["choices"] if choice["lease"] in leases]
        if choices:
            yield {"seq": step["seq"], "goal": goal, "at": now - step["ago"], "choices": choices}


def story_lines(events: list[Event], goal: str, task: str, settings: Settings) -> list[str]:
    """Return the story and the waterfall of a goal, or of one task of it, as lines of text."""
    width = columns(WIDTH)
    told = story_of(events, decisions_of(goal, settings))
    first = told[0].at if told else 0.0
    lines = [_line(sentence, first) for sentence in told if task in ("", sentence.task)]
    spans = [span for span in spans_of(events) if task in ("", span.task)]
    return ["", "what happened", *lines, "", "where the time went", *terminal_lines(spans, width)]


def _line(sentence: Sentence, first: float) -> str:
    source = (
        f"decision {sentence.decision}"
        if sentence.decision
        else ",".join(f"#{n}" for n in sentence.events)
    )
    return f"{sentence.at - first:8.1f} s  {sentence.task or '--':4}{sentence.text}  [{source}]"


def film(arguments: Namespace, settings: Settings) -> int:
    """Write a goal's story as one HTML file, or its waterfall as SVG.

    Raises:
        NotFoundError: there is no such goal.
        BadRequestError: the file can't be written.
    """
    from atos.story.film import film as page_of

    goal, events = _goal(arguments, settings)
    path = Path(arguments.output or f"{goal}.html").expanduser()
    spans = spans_of(events)
    told = story_of(events, decisions_of(goal, settings))
    title = told[0].text if told else goal
    text = svg(spans) if path.suffix == ".svg" else page_of(goal, title, told, spans)
    _write(path, text)
    done = {"goal": goal, "file": str(path.absolute()), "bytes": len(text.encode())}
    print(
        json.dumps(done)
        if arguments.json
        else f"{done['file']}: {done['bytes']} bytes, needs nothing else"
    )
    return 0


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        message = f"{path} can't be written: {error.strerror}"
        raise BadRequestError(message, next_step="Name another file with --output.") from error


def trace(arguments: Namespace, settings: Settings) -> int:
    """Send a goal's spans somewhere, or print them.

    Raises:
        NotFoundError: there is no such goal.
        AtosError: see `destinations.send`.
    """
    from atos.tracing.destinations import send

    goal, events = _goal(arguments, settings)
    spans = spans_of(events, content=arguments.content)
    if not arguments.to:
        shown = "\n".join(terminal_lines(spans, columns(WIDTH), most=1000))
        whole = {"goal": goal, "trace": [asdict(span) for span in spans]}
        print(json.dumps(whole) if arguments.json else shown)
        return 0
    try:
        said = send(spans, goal, arguments.to, settings)
    except OSError as error:
        message = f"{arguments.to[:80]} can't be written: {error.strerror or error}"
        raise BadRequestError(message, next_step="Name another file.") from error
    print(json.dumps({"goal": goal, "spans": len(spans), "said": said}) if arguments.json else said)
    sys.stdout.flush()
    return 0


def _goal(arguments: Namespace, settings: Settings) -> tuple[str, list[Event]]:
    orchestrate = HostClient(settings, "orchestrate")
    goal = arguments.goal or latest(orchestrate)
    events = events_of(orchestrate, goal)
    return (events[0].goal if events else goal), events
