"""The commands with which a goal stops and goes on: pause, resume, answer, fix, retry."""

from __future__ import annotations

import json
import re
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from atos.cli.goal_report import result_object
from atos.cli.goals import latest
from atos.cli.host_connection import HostClient
from atos.cli.questions import asking, read_text
from atos_protocol.errors import BadRequestError
from atos_protocol.settings import Settings

TASK = re.compile(r"T[0-9]+", re.ASCII)


def answer(arguments: Namespace, settings: Settings) -> int:
    """Answer what a task asks; the goal goes on."""
    orchestrate = HostClient(settings, "orchestrate")
    goal_id, task_id = place(orchestrate, arguments.task)
    if not task_id:
        task_id = _asking(orchestrate.call("get_goal", {"goal_id": goal_id}))
    request = {"goal_id": goal_id, "task_id": task_id, "answer": arguments.answer}
    return _goes_on(orchestrate.call("answer_question", request, resend=False), arguments)


def fix(arguments: Namespace, settings: Settings) -> int:
    """Hand in code for a task; the goal goes on."""
    files = dict(named_file(each) for each in arguments.files)
    orchestrate = HostClient(settings, "orchestrate")
    goal_id, task_id = place(orchestrate, arguments.task)
    if not task_id:
        message = f"{arguments.task} names no task"
        raise BadRequestError(message, next_step=f"Write {arguments.task}/T1.")
    request = {"goal_id": goal_id, "task_id": task_id, "files": files}
    return _goes_on(orchestrate.call("submit_fix", request, resend=False), arguments)


def retry(arguments: Namespace, settings: Settings) -> int:
    """Try again what is not done."""
    orchestrate = HostClient(settings, "orchestrate")
    request = {"goal_id": arguments.goal or latest(orchestrate)}
    return _goes_on(orchestrate.call("retry_goal", request, resend=False), arguments)


def pause(arguments: Namespace, settings: Settings) -> int:
    """Have nothing work for a goal until it is resumed."""
    view = HostClient(settings, "orchestrate").call("pause_goal", {"goal_id": arguments.goal})
    told = f"{view['id']} is paused; it uses no model and no sandbox\ngo on: atos-client resume {view['id']}"
    print(json.dumps(result_object(view)) if arguments.json else told)
    return 0


def resume(arguments: Namespace, settings: Settings) -> int:
    """Have a paused goal go on."""
    request = {"goal_id": arguments.goal}
    return _goes_on(HostClient(settings, "orchestrate").call("resume_goal", request), arguments)


def place(orchestrate: HostClient, named: str) -> tuple[str, str]:
    """Return goal and task of `GOAL/T1`, `GOAL` (no task) or `T1` (of the newest goal)."""
    goal_id, _, task_id = named.partition("/")
    if not task_id and TASK.fullmatch(goal_id):
        return latest(orchestrate), goal_id
    return goal_id, task_id


def named_file(argument: str) -> tuple[str, str]:
    """Return the name in the repository, and the text, of `FILE` or `NAME=FILE`.

    Raises:
        WorkspaceError: the file can't be read.
    """
    name, given, path = argument.partition("=")
    file = Path(path if given else name)
    if not given:
        name = file.name if file.is_absolute() or ".." in file.parts else str(PurePosixPath(file))
    return name, read_text(file)


def _asking(view: Mapping[str, Any]) -> str:
    task = asking(view)
    if task is None:
        message = f"no task of {view['id']} asks anything"
        step = f"Name a task to give it an example: atos-client answer {view['id']}/T1 'f(1) -> 2'"
        raise BadRequestError(message, next_step=step)
    return task["id"]


def _goes_on(view: Mapping[str, Any], arguments: Namespace) -> int:
    if arguments.json:
        print(json.dumps(result_object(view)))
    else:
        print(f"{view['id']} goes on\nfollow it: atos-client watch {view['id']}")
    return 0
