"""The commands that only look: plan, logs, explain, vram, workflows."""

from __future__ import annotations

import json
import shlex
import sys
import time
from argparse import Namespace
from collections.abc import Iterable, Mapping
from typing import Any

from atos.cli.daemons import device_text, scheduler_lines
from atos.cli.event_lines import event_line
from atos.cli.formatting import bytes_text, clean, for_terminal
from atos.cli.goal_report import evidence_lines, question_lines, queue_text, reason_lines
from atos.cli.goals import latest
from atos.cli.host_connection import HostClient, http_get, scheduler_status
from atos.cli.next_steps import as_commands
from atos.cli.steering import place
from atos_protocol.daemons import connect
from atos_protocol.errors import NotFoundError, from_wire
from atos_protocol.goals import FINAL_GOAL_STATES
from atos_protocol.settings import Settings

FOLLOW_SECONDS = 20
"""How long one look waits for what comes."""
NUMBER_WIDTH = 7
"""Columns of an event's number, by which sentences of a story name it."""


def plan(arguments: Namespace, settings: Settings) -> int:
    """Show the plan that a goal would get."""
    made = HostClient(settings, "orchestrate").call("plan_goal", {"goal": arguments.goal})
    if arguments.json:
        print(json.dumps(made))
        return 0
    for task in made["plan"].get("tasks", []):
        after = f"  after {', '.join(task['depends_on'])}" if task.get("depends_on") else ""
        print(f"{task['id']:4}{clean(task['title'], 60)} ({task.get('complexity', '')}){after}")
    for note in made["notes"]:
        print(f"note: {clean(note)}")
    goal = shlex.quote(arguments.goal)
    print(f"to change it first: atos-client plan --json {goal} > plan.json")
    print(f"and then: atos-client build --plan plan.json {goal}")
    return 0


def logs(arguments: Namespace, settings: Settings) -> int:
    """Show the end of logs, or all events of a goal; follow them where that is asked for.

    Raises:
        NotFoundError: there is neither such a log nor such a goal.
    """
    from atos.cli.log_files import LOGS, follow, log_names, tail

    if arguments.what and arguments.what not in log_names(settings):
        return _goal_log(arguments, settings)
    names = [arguments.what] if arguments.what else list(LOGS)
    found = {name: tail(settings, name, arguments.lines) for name in names}
    if arguments.json:
        print(json.dumps(found), flush=True)
    else:
        _show_tails(settings, found)
    if arguments.follow:
        for name, line in follow(settings, names):
            told = json.dumps({name: [line]}) if arguments.json else f"{name:14}{clean(line, 1000)}"
            print(told, flush=True)
    return 0


def _show_tails(settings: Settings, found: Mapping[str, list[str]]) -> None:
    for name, lines in found.items():
        print(
            f"{settings.logs / name}.log" if lines else f"{settings.logs / name}.log: nothing yet"
        )
        for line in lines:
            print(f"  {clean(line, 1000)}", flush=True)


def _goal_log(arguments: Namespace, settings: Settings) -> int:
    orchestrate, seq = HostClient(settings, "orchestrate"), 0
    while True:
        request = {
            "goal_id": arguments.what, "after_seq": seq, "detail": "events",
            "timeout_s": FOLLOW_SECONDS if arguments.follow else 0,
        }  # fmt: skip
        news = orchestrate.call("wait_goal", request)
        for event in news["events"]:
            lines = for_terminal([f"#{event['seq']:<6}{event_line(event)}"], 13 + NUMBER_WIDTH)
            print(json.dumps(event) if arguments.json else "\n".join(lines), flush=True)
        ended = not arguments.follow or news["goal"]["state"] in FINAL_GOAL_STATES
        if not news["events"] and ended:
            return 0
        seq = news["seq"]


def explain(arguments: Namespace, settings: Settings) -> int:
    """Say why something is as it is: a decision by its number, else a goal or a task.

    Raises:
        NotFoundError: there is no such thing.
    """
    if arguments.what.isdecimal():
        path = f"/atos/v1/decisions/{arguments.what}"
        found = http_get(connect("scheduler", settings), path)
        if "atos" in found:
            raise from_wire(found["atos"])
        print(json.dumps(found) if arguments.json else found["explanation"])
        return 0
    orchestrate = HostClient(settings, "orchestrate")
    goal_id, task_id = place(orchestrate, arguments.what) if arguments.what else ("", "")
    view = orchestrate.call("get_goal", {"goal_id": goal_id or latest(orchestrate)})
    tasks = [task for task in view["tasks"] if task_id in ("", task["id"])]
    if task_id and not tasks:
        message = f"{view['id']} has no task {task_id}"
        step = f"It has {', '.join(task['id'] for task in view['tasks']) or 'none yet'}."
        raise NotFoundError(message, next_step=step)
    if arguments.json:
        print(
            json.dumps(
                {"goal": view["id"], "state": view["state"], "tasks": tasks, "error": view["error"]}
            )
        )
        return 0
    print("\n".join(for_terminal(_reasons(view, tasks), 13)))
    if not arguments.short:
        from atos.cli.storytelling import events_of, story_lines

        events = events_of(orchestrate, view["id"])
        print("\n".join(story_lines(events, view["id"], task_id, settings)))
    return 0


def _reasons(view: Mapping[str, Any], tasks: list[dict[str, Any]]) -> Iterable[str]:
    """Yield why a goal is where it is, and what to do next."""
    yield f"{view['id']} {view['state']}: {clean(view['goal'], 100)}"
    if waits := view["waiting"] or queue_text(view):
        yield f"  waits      {clean(waits)}"
    for task in tasks:
        if task["waiting"]:
            yield f"  waits      {task['id']}: {clean(task['waiting'])}"
    yield from (f"  rests on   {line}" for line in evidence_lines(tasks))
    yield from (f"  not done   {line}" for line in reason_lines(tasks))
    for task in tasks:
        if task["question"]["text"]:
            yield from (f"  {line}" for line in question_lines(task))
            yield f"  next       atos-client answer {view['id']}/{task['id']} ANSWER"
    if view["error"]:
        yield f"  why        {clean(view['error'].get('message', ''), 600)}"
        yield f"  next       {clean(as_commands(view['error'].get('next', '')), 400)}"
    elif view["state"] not in FINAL_GOAL_STATES:
        yield f"  next       atos-client watch {view['id']}"


def vram(arguments: Namespace, settings: Settings) -> int:
    """Show budget, models and requests; with `--watch`, until Ctrl-C."""
    while True:
        status = scheduler_status(settings)
        if arguments.json:
            print(json.dumps(status), flush=True)
        else:
            clear = "\x1b[H\x1b[J" if arguments.watch and sys.stdout.isatty() else ""
            print(clear + "\n".join(_memory(status)), flush=True)
        if not arguments.watch:
            return 0
        time.sleep(1.0)


def _memory(status: Mapping[str, Any]) -> Iterable[str]:
    yield from scheduler_lines(dict(status))
    for device in status.get("devices", []):
        yield f"  others   {device_text(device)}{bytes_text(device['foreign'])} used by other programs"
    for lease in status.get("leases", []):
        who = " ".join(filter(None, (lease["goal"], lease["task"], lease.get("client", ""))))
        what = clean(lease["model"] or lease["pool"])
        yield f"  request  {what}: {lease['state']} for {lease['seconds']:.0f} s ({clean(who or 'you')})"
    if not status.get("residencies"):
        yield "  no model is in memory; the first request loads one"


def workflows(arguments: Namespace, settings: Settings) -> int:
    """List the n8n workflows that may be triggered."""
    found = HostClient(settings, "workflow").call("list_workflows", {})
    if arguments.json:
        print(json.dumps(found))
        return 0
    rows = [
        f"{each['name']:24}{clean(each.get('description') or '', 80)}"
        for each in found["workflows"]
    ]
    print("\n".join(rows) or f"none; they are configured in {found['configured_in']}")
    return 0
