"""The commands about goals: build, watch, cancel, debug."""

from __future__ import annotations

import json
import secrets
import sys
import time
from argparse import Namespace
from contextlib import suppress
from pathlib import Path
from typing import Any

from atos.cli.daemons import gather, versions_of
from atos.cli.event_lines import event_line
from atos.cli.formatting import clean, for_terminal
from atos.cli.goal_report import EXIT_CODES, result_object
from atos.cli.host_connection import HostClient, http_get, scheduler_status
from atos.cli.models import fetch_for
from atos.cli.progress import Progress, progress
from atos.cli.questions import answer_on_terminal, evidence, read_plan
from atos.cli.reviewing import approve_on_terminal
from atos_protocol.daemons import connect, is_up
from atos_protocol.errors import AtosError, NoModelError, NotFoundError, UnreachableError
from atos_protocol.goals import FINAL_GOAL_STATES
from atos_protocol.settings import Settings
from atos_protocol.versions import SETTLE, mismatch

CANCELLED = 130
LOST_SECONDS = 60.0
"""How long a watcher keeps looking for a host that went away before it gives up."""


def build(arguments: Namespace, settings: Settings) -> int:
    """Start a goal and follow it to its end, or leave it running with `--detach`."""
    if not arguments.json:
        _announce(settings)
    orchestrate = HostClient(settings, "orchestrate")
    request = _request(arguments, orchestrate)
    try:
        view = _start(orchestrate, request, arguments)
    except KeyboardInterrupt:
        _cancel_unanswered(orchestrate, request, settings)
        return CANCELLED
    if not arguments.json:
        _say_notice(settings)
    if arguments.detach:
        if arguments.json:
            print(json.dumps(result_object(view)))
        else:
            print(f"started {view['id']}\nfollow it: atos-client watch {view['id']}")
        return 0
    try:
        code = follow(orchestrate, view["id"], progress(as_json=arguments.json))
    except KeyboardInterrupt:
        print("\ncancelling ...", file=sys.stderr)
        orchestrate.close()
        orchestrate.call("cancel_goal", {"goal_id": view["id"]})
        return CANCELLED
    if not arguments.json:
        _say_receipt(settings, view["id"])
    if code == 0 and arguments.deploy not in {"", "local"}:
        return _deploy_public(view["id"], arguments, settings)
    return code


def _request(arguments: Namespace, orchestrate: HostClient) -> dict[str, Any]:
    """Return the arguments of `start_goal`."""
    request: dict[str, Any] = {"goal": arguments.goal} | evidence(arguments, orchestrate)
    if arguments.into:
        request["into"] = str(Path(arguments.into).expanduser().absolute())
    if arguments.priority != "normal":
        request["priority"] = arguments.priority
    if arguments.deploy == "local":  # what is public the person approves, once it is built
        request["deploy"] = arguments.deploy
    if arguments.review:
        request["review"] = True
    if arguments.router != "builtin":
        request["router"] = arguments.router
    if arguments.plan:
        request["plan"] = read_plan(Path(arguments.plan))
    request["key"] = f"atos-client {secrets.token_hex(8)}"  # so that it may be sent again
    return request


def _deploy_public(goal: str, arguments: Namespace, settings: Settings) -> int:
    from atos.cli.deploying import deploy

    return deploy(
        Namespace(
            what=goal, target=arguments.deploy, name="", to="", approve="", dry_run=False, yes=False,
            json=arguments.json,
        ),
        settings,
    )  # fmt: skip


def _announce(settings: Settings) -> None:
    """Say that daemons are being started, or that those which run are of another version."""
    if not is_up("servers", settings):
        print("starting ATOS ...", file=sys.stderr, flush=True)
        return
    with suppress(
        AtosError
    ):  # whoever does not answer tells no version; the goal may start all the same
        if told := mismatch(versions_of(gather(settings, goals=0))):
            print(f"{told}. {SETTLE}", file=sys.stderr, flush=True)


def _say_notice(settings: Settings) -> None:
    """Say what this machine has and nothing can use, such as a GPU without an engine for it."""
    with suppress(AtosError):
        if notice := scheduler_status(settings).get("notice"):
            print(notice, file=sys.stderr, flush=True)


def _say_receipt(settings: Settings, goal: str) -> None:
    """Say what the goal cost in swaps, where models were loaded for it."""
    with suppress(AtosError):
        found = http_get(connect("scheduler", settings), f"/atos/v1/receipts/{goal}")
        if found.get("loads"):
            print(f"models: {found['text']}", file=sys.stderr, flush=True)


def _start(orchestrate: HostClient, request: dict[str, Any], arguments: Namespace) -> Any:
    """Start a goal; where no model can do it, fetch one if the person agrees, and start it then."""
    try:
        return orchestrate.call("start_goal", request)
    except NoModelError as refusal:
        may_ask = sys.stdin.isatty() and sys.stdout.isatty() and not arguments.json
        fetch_for(refusal, agreed=arguments.pull, may_ask=may_ask)
    orchestrate.close()  # the download may have taken longer than the host keeps a silent client
    # whether an example would help was unknown while there was no model for the goal
    return orchestrate.call("start_goal", request | evidence(arguments, orchestrate))


def _cancel_unanswered(
    orchestrate: HostClient, request: dict[str, Any], settings: Settings
) -> None:
    """Cancel a goal of which it is not known whether it was started: the same key finds it, or cancels it at once."""
    orchestrate.close()
    if not is_up("servers", settings):
        return  # nobody can have been told of it
    print("\ncancelling ...", file=sys.stderr)
    with suppress(AtosError):  # refused: it was not started
        view = orchestrate.call("start_goal", request)
        orchestrate.call("cancel_goal", {"goal_id": view["id"]})


def follow(orchestrate: HostClient, goal_id: str, show: Progress) -> int:
    """Show a goal's events until it ends; return the exit code of its state.

    Where a person is there, a question is asked and the goal goes on with the answer. The goal runs in the daemons, so a host that is killed and started anew is only a pause.
    """
    seq, lost_since = 0, 0.0
    while True:
        request = {
            "goal_id": goal_id,
            "after_seq": seq,
            "timeout_s": show.refresh,
            "detail": "events",
        }
        try:
            answer = orchestrate.call("wait_goal", request)
        except UnreachableError:
            lost_since = lost_since or time.monotonic()
            if time.monotonic() - lost_since > LOST_SECONDS:
                raise
            time.sleep(0.1)
            continue
        lost_since, seq, view = 0.0, answer["seq"], answer["goal"]
        goal_id = view["id"]  # it may have been named by a part of its text
        show.update(view, answer["events"])
        if view["state"] in FINAL_GOAL_STATES and not answer["events"]:
            if answer_on_terminal(orchestrate, view, show) or approve_on_terminal(
                orchestrate, view, show
            ):
                continue
            show.finish(view)
            return EXIT_CODES[view["state"]]


def watch(arguments: Namespace, settings: Settings) -> int:
    """Follow a goal that runs already; Ctrl-C stops watching, not the goal."""
    orchestrate = HostClient(settings, "orchestrate")
    goal_id = arguments.goal or latest(orchestrate)
    try:
        return follow(orchestrate, goal_id, progress(as_json=arguments.json))
    except KeyboardInterrupt:
        print(f"\n{goal_id} goes on; cancel it with: atos-client cancel {goal_id}", file=sys.stderr)
        return 0


def cancel(arguments: Namespace, settings: Settings) -> int:
    """Cancel a goal and everything that works for it."""
    orchestrate = HostClient(settings, "orchestrate")
    goal_id = arguments.goal or latest(orchestrate)
    view = orchestrate.call("cancel_goal", {"goal_id": goal_id})
    told = (
        f"{view['id']} had ended already: {view['state']}"
        if view["state"] in FINAL_GOAL_STATES and view["state"] != "cancelled"
        else f"{view['id']}: {view['state']}"
    )
    print(json.dumps(result_object(view)) if arguments.json else told)
    return 0


def debug(arguments: Namespace, settings: Settings) -> int:
    """Show everything that happened to one task: its rounds, verdicts and what was said."""
    orchestrate = HostClient(settings, "orchestrate")
    goal_id, _, task_id = arguments.task.rpartition("/")
    request = {"goal_id": goal_id or latest(orchestrate), "task_id": task_id}
    task = orchestrate.call("get_task", request)
    if arguments.json:
        print(json.dumps(task))
        return 0
    print(f"{request['goal_id']}/{task['id']}  {clean(task['title'])}")
    candidates = int(task.get("rounds") or 0) + 1
    print(
        f"{task['state']}, {task.get('complexity')}, {candidates} candidate{'s' * (candidates > 1)}"
    )
    print("\n".join(for_terminal(map(event_line, task.get("events", [])), 13)))
    if digest := task.get("digest"):
        print("\nlast failure:")
        print("\n".join(clean(line, 500) for line in str(digest).splitlines()))
    return 0


def latest(orchestrate: HostClient) -> str:
    """Return the newest goal.

    Raises:
        NotFoundError: there is no goal yet.
    """
    goals = orchestrate.call("list_goals", {"limit": 1})["goals"]
    if not goals:
        message = "there is no goal yet"
        raise NotFoundError(message, next_step='Start one: atos-client build "..."')
    return goals[0]["id"]
