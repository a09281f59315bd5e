"""`atos-client deploy` and `deployments`: a URL that answers with what was built."""

from __future__ import annotations

import json
import shlex
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from atos.cli.formatting import bytes_text, clean
from atos.cli.goals import latest
from atos.cli.host_connection import HostClient
from atos_protocol.errors import BadRequestError, NotFoundError
from atos_protocol.settings import Settings

MARKS = {"failed": "✗", "stopped": "-", "down": "-"}
FAILED, NEEDS_PERSON = 1, 4
FILES_SHOWN, PUBLIC_FILES_SHOWN = 8, 50
LEAST_DIGEST = 12
"""Characters of a digest that name a plan."""
LOOKS = 40
"""How often is looked again at what is not ready, 15 s each."""
ACTIONS = {
    "stop": "stop_deployment", "start": "start_deployment", "verify": "verify_deployment",
    "rollback": "roll_back",
}  # fmt: skip


def deploy(arguments: Namespace, settings: Settings) -> int:
    """Plan, ask, deploy, and say where it answers."""
    source = _source(arguments.what, settings)
    workflow = HostClient(settings, "workflow")
    asked = {"path": source, "target": arguments.target, "name": arguments.name or ""}
    if arguments.to:
        asked["destination"] = arguments.to
    plan = workflow.call("plan_deployment", asked)
    if not arguments.json:
        print("\n".join(plan_lines(plan)))
    if arguments.dry_run:
        return _said(plan, arguments)
    if not _agreed(plan, arguments):
        return NEEDS_PERSON
    if not plan["public"]:
        _install(plan["planned"]["requirements"], settings)
    return put_out(workflow, plan, arguments)


def _install(requirements: Sequence[str], settings: Settings) -> None:
    """Have the packages installed for the sandbox; one call waits for a while, and is repeated."""
    runner = HostClient(settings, "code_runner")
    while requirements:
        found = runner.call("prepare_packages", {"packages": list(requirements)})
        if found["state"] == "ready":
            return
        print(f"installing {', '.join(requirements)} ...", file=sys.stderr, flush=True)


def put_out(workflow: HostClient, plan: Mapping[str, Any], arguments: Namespace) -> int:
    """Deploy what was planned and approved; return the exit code."""
    request = {"name": plan["name"], "digest": plan["planned"]["digest"]}
    done = _waited_for(workflow, workflow.call("deploy", request, resend=False))
    if arguments.json:
        return _said(done, arguments)
    print("\n".join(result_lines(done)))
    return 0 if done["state"] == "verified" else FAILED


def _waited_for(workflow: HostClient, done: dict[str, Any]) -> dict[str, Any]:
    """Ask until a target that takes its time, such as Pages, says whether the release answers."""
    for _ in range(LOOKS):
        if done["state"] != "applied" and not done.get("under_way"):
            break
        told = (
            "it goes on ..."
            if done.get("under_way")
            else "it is there; waiting until it answers ..."
        )
        print(told, file=sys.stderr, flush=True)
        done = workflow.call("verify_deployment", {"name": done["name"]})
    return done


def deployments(arguments: Namespace, settings: Settings) -> int:
    """List deployments, or act upon one."""
    workflow = HostClient(settings, "workflow")
    if arguments.action == "list":
        found = workflow.call("list_deployments", {})
        lines = [_line(each) for each in found["deployments"]]
        shown = "\n".join(lines) or "nothing is deployed; deploy a goal: atos-client deploy"
        print(json.dumps(found) if arguments.json else shown)
        return 0
    if not arguments.name:
        message = f"deployments {arguments.action} needs a name"
        raise BadRequestError(message, next_step="See atos-client deployments list.")
    if arguments.action == "logs":
        found = workflow.call("deployment_log", {"name": arguments.name, "lines": 200})
        lines = [clean(line, 2000) for line in found["lines"]]
        print(json.dumps(found) if arguments.json else "\n".join(lines))
        return 0
    done = workflow.call(ACTIONS[arguments.action], {"name": arguments.name}, resend=False)
    if arguments.action != "verify":
        done = _waited_for(workflow, done)
    if arguments.json:
        return _said(done, arguments)
    print("\n".join(result_lines(done)))
    return FAILED if done["state"] == "failed" else 0


def _source(what: str | None, settings: Settings) -> str:
    """Return the folder: a path as it is named, else the repository of a goal (the newest by default).

    Raises:
        NotFoundError: the goal has no repository, or there is no such goal.
    """
    if what and (Path(what).expanduser().is_dir()):
        return str(Path(what).expanduser().resolve())
    orchestrate = HostClient(settings, "orchestrate")
    view = orchestrate.call("get_goal", {"goal_id": what or latest(orchestrate)})
    if repository := view.get("repository"):
        return str(repository)
    message = f"goal {view['id']} has no repository yet (it is {view['state']})"
    raise NotFoundError(message, next_step=f"Wait for it: atos-client watch {view['id']}")


def plan_lines(plan: Mapping[str, Any]) -> list[str]:
    """Say what would go out."""
    release = plan["planned"]
    commit = f", commit {release['commit'][:12]}" if release["commit"] else ""
    files, count = release["files"], release["file_count"]
    most = PUBLIC_FILES_SHOWN if plan["public"] else FILES_SHOWN
    listed = ", ".join(clean(name, 60) for name in files[:most])
    more = f" and {count - most} more" if count > most else ""
    lines = [
        f"{plan['name']} on {plan['target']}: {clean(release['what'])}",
        f"  from {clean(plan['source'])}{commit}",
        f"  {count} file{'s' * (count != 1)}, {bytes_text(release['bytes'])}: {listed}{more}",
    ]
    if release["requirements"]:
        lines.append(f"  installs, wheels only: {', '.join(map(clean, release['requirements']))}")
    return lines + [f"  ! {clean(warning)}" for warning in release["warnings"]]


def result_lines(done: Mapping[str, Any]) -> list[str]:
    """Say what became of it."""
    lines = [_line(done)]
    if done["state"] == "verified":
        lines += [f"  {clean(seen)}" for seen in done["evidence"]]
        if not done["public"]:
            lines.append(f"  stop it: atos-client deployments stop {done['name']}")
    elif done["state"] == "failed":
        lines.append(f"  {clean(done['reason'], 600)}")
        if done["url"]:
            other = done["planned"]["digest"] != done["live"]
            before = " with the release before" * other
            lines.append(f"  {done['url']} still answers{before}")
        lines.append(f"  → atos-client deployments logs {done['name']}")
    elif done["state"] == "applied":
        lines.append(
            f"  it is there, and does not answer yet → atos-client deployments verify {done['name']}"
        )
    elif done["state"] == "stopped":
        lines.append(f"  → atos-client deployments start {done['name']}")
    return lines


def _line(each: Mapping[str, Any]) -> str:
    state = each["state"]
    if each["up"] and state != "verified":
        state = f"up; another release: {state}"
    elif state == "verified" and not each["up"]:
        state = "down"
    mark = "✓" if each["up"] and state != "failed" else MARKS.get(state, "·")
    return f"{mark} {each['name']}  {state}  {each['target']}  {each['url']}".rstrip()


def _agreed(plan: Mapping[str, Any], arguments: Namespace) -> bool:
    """Ask the person; without a terminal say which command agrees. What is public needs more than `--yes`."""
    digest, public = plan["planned"]["digest"], plan["public"]
    if arguments.approve:
        if len(arguments.approve) >= LEAST_DIGEST and digest.startswith(arguments.approve):
            return True
        print(
            f"not deployed: the plan is {digest[:LEAST_DIGEST]}, which was not approved",
            file=sys.stderr,
        )
        return False
    if arguments.yes and not public:
        return True
    if arguments.json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        agrees = ["--approve", digest[:LEAST_DIGEST]] if public else ["--yes"]
        named = ["--name", arguments.name] if arguments.name else []
        to = ["--to", arguments.to] if arguments.to else []
        words = ["deploy", plan["source"], plan["target"], *named, *to, *agrees]
        command = f"atos-client {shlex.join(words)}"
        why = (
            "it is public, and --yes is for local" if arguments.yes else "nobody is there to agree"
        )
        print(f"not deployed: {why}\n  → {command}", file=sys.stderr)
        return False
    if public:
        return _typed("Make it public? [y/N] ") in {"y", "yes"}
    return _typed("Deploy it? [Y/n] ") in {"", "y", "yes"}


def _typed(question: str) -> str:
    """Ask; return the answer in small letters, `no` where the input has ended (Ctrl-D)."""
    print(question, end="", flush=True)
    line = sys.stdin.readline()
    return line.strip().lower() if line else "no"


def _said(view: Mapping[str, Any], arguments: Namespace) -> int:
    if arguments.json:
        print(json.dumps(dict(view)))
    return FAILED if view["state"] == "failed" else 0
