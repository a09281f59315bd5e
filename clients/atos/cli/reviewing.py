"""The commands by which a person steers a goal: approve and edit its plan, note, limits."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from argparse import Namespace
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from atos.cli.formatting import clean
from atos.cli.goal_report import result_object
from atos.cli.host_connection import HostClient
from atos.cli.progress import Progress
from atos.cli.questions import read_line, read_plan, say_error
from atos_protocol.errors import AtosError, BadConfigError, ConflictError, UnauthorizedError
from atos_protocol.goals import APPROVAL_NEEDED
from atos_protocol.settings import Settings


def approve(arguments: Namespace, settings: Settings) -> int:
    """Show a plan, ask, and have the work begin."""
    orchestrate = HostClient(settings, "orchestrate")
    goal = arguments.goal or _newest(orchestrate)
    digest = arguments.digest
    if not digest:
        shown = orchestrate.call("get_plan", {"goal_id": goal})
        digest = shown["digest"]
        if not arguments.json:
            print("\n".join(plan_lines(shown["plan"])))
        if not arguments.yes:
            _agree(goal, digest, shown=not arguments.json)
    request = {"goal_id": goal, "digest": digest}
    return _told(orchestrate.call("approve_plan", request, resend=False), arguments, "goes on")


def edit(arguments: Namespace, settings: Settings) -> int:
    """Change a plan; it waits for approval again."""
    orchestrate = HostClient(settings, "orchestrate")
    goal = arguments.goal or _newest(orchestrate)
    if arguments.plan:
        view = _put(orchestrate, goal, read_plan(Path(arguments.plan)))
    else:
        before = orchestrate.call("get_plan", {"goal_id": goal})["plan"]
        with edited(before) as plan:
            view = _put(orchestrate, goal, plan)
    return _told(view, arguments, f"checks the plan; then: atos-client approve {goal}")


def note(arguments: Namespace, settings: Settings) -> int:
    """Tell a goal something."""
    orchestrate = HostClient(settings, "orchestrate")
    request = {"goal_id": arguments.goal, "text": arguments.text}
    said = "heeds it in tasks that have not begun"
    return _told(orchestrate.call("note_goal", request), arguments, said)


def limits(arguments: Namespace, settings: Settings) -> int:
    """Set what a goal may use."""
    orchestrate = HostClient(settings, "orchestrate")
    request = {
        "goal_id": arguments.goal,
        "seconds": arguments.minutes * 60,
        "model_calls": arguments.calls,
    }
    view = orchestrate.call("set_limits", request, resend=False)
    return _told(view, arguments, "goes on within these limits")


def approve_on_terminal(orchestrate: HostClient, view: Mapping[str, Any], show: Progress) -> bool:
    """Show a person the plan that a goal waits with, and ask; return whether it goes on."""
    wire: Mapping[str, Any] = view.get("error") or {}
    if wire.get("code") != APPROVAL_NEEDED or not show.asks:
        return False
    goal = view["id"]
    shown = orchestrate.call("get_plan", {"goal_id": goal})
    lines = plan_lines(shown["plan"])
    show.keep(below=len(lines) + 2)
    print("\n".join(["", *lines]))
    word = read_line("Begin? [y] yes, [e] edit, Enter leaves it waiting:").strip().lower()
    try:
        if word in {"y", "yes"}:
            request = {"goal_id": goal, "digest": shown["digest"]}
            orchestrate.call("approve_plan", request, resend=False)
        elif word in {"e", "edit"}:
            with edited(shown["plan"]) as plan:
                _put(orchestrate, goal, plan)
        else:
            return False
    except ConflictError as error:  # somebody else was faster
        say_error(error)
    except AtosError as error:
        say_error(error)
        return False
    return True


def plan_lines(plan: Mapping[str, Any]) -> list[str]:
    """Return a plan as a person reads it: a line per task, what it must do, what decides."""
    lines: list[str] = []
    for task in plan.get("tasks", []):
        after = f", after {', '.join(task['depends_on'])}" if task.get("depends_on") else ""
        files = ", ".join(task.get("files", []))
        lines.append(
            f"  {clean(task.get('id'))} {clean(task.get('title'), 80)} [{clean(files)}{after}]"
        )
        if contract := task.get("contract"):
            lines.append(f"       {clean(contract, 160)}")
        lines += [f"       {clean(example, 160)}" for example in task.get("examples", [])[:3]]
        if (more := len(task.get("examples", [])) - 3) > 0:
            lines.append(f"       and {more} more example{'s' * (more > 1)}")
    return lines


def _put(orchestrate: HostClient, goal: str, plan: Mapping[str, Any]) -> Mapping[str, Any]:
    return orchestrate.call("edit_plan", {"goal_id": goal, "plan": plan}, resend=False)


@contextmanager
def edited(plan: Mapping[str, Any]) -> Generator[dict[str, Any]]:
    """Yield a plan as a person leaves it in $VISUAL or $EDITOR; what they wrote is kept where it is not taken.

    Raises:
        BadConfigError: there is no editor, or it failed.
        AtosError: what was left is no JSON, or is refused where it is used; the next step names the file.
    """
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not editor:
        message = "neither VISUAL nor EDITOR names an editor"
        raise BadConfigError(message, next_step="Set one, or hand in a file: --plan FILE")
    file = Path(tempfile.mkdtemp(prefix="atos-plan-")) / "plan.json"
    file.write_text(json.dumps(plan, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    _edit(editor, file)
    try:
        yield read_plan(file)
    except AtosError as error:
        error.next_step = f"{error.next_step} What you wrote is in {file}: --plan {file}".strip()
        raise
    shutil.rmtree(file.parent, ignore_errors=True)


def _edit(editor: str, file: Path) -> None:
    try:
        code = subprocess.run([*shlex.split(editor), str(file)], check=False).returncode
        why = f"ended with {code}" if code else ""
    except (OSError, ValueError) as error:
        why = f"can't be started ({error})"
    if why:
        shutil.rmtree(file.parent, ignore_errors=True)
        message = f"{editor} {why}; the plan stays as it was"
        raise BadConfigError(message, next_step="Try again, or hand in a file: --plan FILE")


def _agree(goal: str, digest: str, *, shown: bool) -> None:
    command = f"atos-client approve {goal} {digest}"
    if not (shown and sys.stdin.isatty() and sys.stdout.isatty()):
        message = f"plan {digest} of {goal} was not approved: nobody is there to be asked"
        raise UnauthorizedError(message, next_step=f"Approve this very plan: {command}")
    if read_line("Begin? [y/N]:").strip().lower() not in {"y", "yes"}:
        message = f"{goal} goes on waiting"
        raise UnauthorizedError(message, next_step=f"Later: {command}")


def _newest(orchestrate: HostClient) -> str:
    from atos.cli.goals import latest

    return latest(orchestrate)


def _told(view: Mapping[str, Any], arguments: Namespace, said: str) -> int:
    if arguments.json:
        print(json.dumps(result_object(view)))
    else:
        print(f"{view['id']} {said}")
    return 0
