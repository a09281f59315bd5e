"""The commands about the daemons: up, down, status."""

from __future__ import annotations

import json
import time
from argparse import Namespace
from typing import Any

from atos.cli.formatting import bytes_text, clean, columns, for_terminal
from atos.cli.goal_report import GOAL_WIDTH, TASK_WIDTH, goal_report, goals_table, task_table
from atos.cli.host_connection import HostClient, scheduler_status
from atos_protocol.daemons import Role, ensure, is_up, stop
from atos_protocol.errors import AtosError, UnreachableError
from atos_protocol.settings import Settings
from atos_protocol.versions import SETTLE, installed, mismatch

FEW = 10


def up(arguments: Namespace, settings: Settings) -> int:
    """Start the scheduler and the server host, or find them running; one of another version is restarted."""
    stay: bool | None = getattr(arguments, "stay", None)
    said = [] if stay is None else _set_stay(settings, stay=stay)
    if getattr(arguments, "docker", None) is not None:
        from atos.cli.containers import open_bridge

        settings, told = open_bridge(arguments.docker, settings)
        said += told
    restarted = restart_outdated(settings)
    ensure("scheduler", settings)
    ensure("servers", settings)
    host = HostClient(settings, "host").ask("status")
    if arguments.json:  # with what was done: a new token is told only now
        print(json.dumps(host | {"notes": said}))
        return 0
    if restarted:
        print(f"restarted, to run version {installed()}: {', '.join(restarted)}")
    print(f"up: server host pid {host['pid']}, home {settings.home}")
    print("\n".join([*http_lines(host["http"], settings), *said]))
    return 0


def _set_stay(settings: Settings, *, stay: bool) -> list[str]:
    from atos.cli.stay import set_stay  # it needs `subprocess`, which `status` would wait for

    return set_stay(settings, stay=stay)


def restart_outdated(settings: Settings) -> list[Role]:
    """End the daemons that are of another version than this client; their goals go on in the next."""
    try:
        running = versions_of(gather(settings, goals=0))
    except AtosError:  # so different that they can't even be asked
        roles: tuple[Role, ...] = ("servers", "scheduler")
        return [role for role in roles if stop(role, settings)]
    stale: dict[Role, set[str]] = {
        "servers": {running["servers"], running["worker"]},
        "scheduler": {running["scheduler"]},
    }
    mine = {"", running["this client"]}
    old: list[Role] = [role for role, numbers in stale.items() if numbers - mine]
    return [role for role in old if stop(role, settings)]


def versions_of(seen: dict[str, Any]) -> dict[str, str]:
    """Return who runs which version, given what `gather` saw; empty where that is not known."""
    host: dict[str, Any] = seen["host"] or {}
    worker: dict[str, Any] = host.get("worker") or {}
    scheduler: dict[str, Any] = seen["scheduler"] or {}
    return {
        "this client": installed(),
        "servers": str(host.get("version") or ""),
        "worker": str(worker.get("version") or ""),
        "scheduler": str(scheduler.get("version") or ""),
    }


def version_lines(seen: dict[str, Any]) -> list[str]:
    """Say that daemons and client are of different versions, and what settles it."""
    told = mismatch(versions_of(seen))
    return [f"versions   {told}", f"           {SETTLE}"] if told else []


def down(arguments: Namespace, settings: Settings) -> int:
    """End the daemons; goals that run go on when the host is started again."""
    ended = [role for role in ("servers", "scheduler") if stop(role, settings)]
    if arguments.json:
        print(json.dumps({"ended": ended}))
    else:
        print(f"ended: {', '.join(ended)}" if ended else "nothing was running")
    return 0


def status(arguments: Namespace, settings: Settings) -> int:
    """Show the daemons, the budget and the goals, starting nothing; or one goal, which the host is started for."""
    if arguments.goal:
        view = HostClient(settings, "orchestrate").call("get_goal", {"goal_id": arguments.goal})
        print(json.dumps(view) if arguments.json else "\n".join(goal_lines(view)))
        return 0
    seen = gather(settings)
    print(json.dumps(seen) if arguments.json else "\n".join(status_lines(seen, settings)))
    return 0


def goal_lines(view: dict[str, Any]) -> list[str]:
    """Return the report of a goal, as wide as the terminal."""
    tasks = task_table(view.get("tasks", []), columns(TASK_WIDTH))
    return for_terminal(goal_report(view, tasks)[1:])


def gather(settings: Settings, goals: int = 5) -> dict[str, Any]:
    """Ask whoever runs; a daemon that is down is null. So many goals are listed."""
    seen: dict[str, Any] = {"home": str(settings.home), "host": None, "scheduler": None}
    seen["goals"] = []
    try:
        seen["host"] = HostClient(settings, "host", start=False).ask("status")
        if goals:
            orchestrate = HostClient(settings, "orchestrate", start=False)
            seen["goals"] = orchestrate.call("list_goals", {"limit": goals})["goals"]
    except UnreachableError:
        pass
    if is_up("scheduler", settings):
        seen["scheduler"] = scheduler_status(settings)
    return seen


def status_lines(seen: dict[str, Any], settings: Settings) -> list[str]:
    """Render what `gather` saw."""
    host, scheduler = seen["host"], seen["scheduler"]
    lines = [f"home       {seen['home']}", *version_lines(seen)]
    if host:
        worker: dict[str, str] = host.get("worker") or {}
        lines.append(f"servers    up, pid {host['pid']}; worker {worker.get('state')}")
        lines += database_lines(host)
        lines += http_lines(host["http"], settings)
    else:
        lines.append("servers    down (atos-client up starts them; so does every command)")
    lines += scheduler_lines(scheduler) if scheduler else ["scheduler  down"]
    return (
        [*lines, *records_lines(host), *goals_table(seen["goals"], columns(GOAL_WIDTH))]
        if host
        else lines
    )


def records_lines(host: dict[str, Any]) -> list[str]:
    """Head the goals, with what their records take where that has been counted."""
    kept: dict[str, int] = host.get("records") or {}
    return [f"goals      {records_text(kept)}" if kept.get("goals") else "goals"]


def records_text(kept: dict[str, int]) -> str:
    """Say what goals' records take: `12 goals, 1.4 MiB in the database (119 KiB a goal)`.

    A share is told from `FEW` goals on: before that, most of it is the database's own.
    """
    goals, size = kept["goals"], kept["bytes"]
    share = f" ({bytes_text(size // goals)} a goal)" if goals >= FEW else ""
    return f"{goals} goal{'s' * (goals != 1)}, {bytes_text(size)} in the database{share}"


def scheduler_lines(scheduler: dict[str, Any]) -> list[str]:
    """Render budget and residents."""
    lines = [f"scheduler  up, pid {scheduler['pid']}"]
    if scheduler.get("paused"):
        lines.append("  paused   no model is loaded until: atos-client scheduler resume")
    for device in scheduler.get("devices", []):
        committed, budget = bytes_text(device["committed"]), bytes_text(device["budget"])
        lines.append(f"  {device['kind']:9}{device_text(device)}{committed} of {budget} committed")
    lines += [
        f"  model    {clean(r['model'])} ({r['engine']}): {r['state']}, {bytes_text(r['bytes'])}"
        for r in scheduler.get("residencies", [])
    ]
    return [*lines, *([f"  notice   {scheduler['notice']}"] if scheduler.get("notice") else [])]


def device_text(device: dict[str, Any]) -> str:
    """Return a device's name and a colon, where the name says more than its kind."""
    return "" if device["name"] == device["kind"] else f"{device['name']}: "


def database_trouble(host: dict[str, Any]) -> dict[str, Any] | None:
    """Return what the host, or else its worker, says about a goals database that is away."""
    worker: dict[str, Any] = host.get("worker") or {}
    seen: list[dict[str, Any]] = [host.get("database") or {}, worker.get("database") or {}]
    return next((each for each in seen if each.get("state") == "degraded"), None)


def database_lines(host: dict[str, Any]) -> list[str]:
    """Say whether the goals database can be used; nothing where an older host does not tell."""
    trouble = database_trouble(host)
    if trouble is None:
        return ["database   ok"] if host.get("database") else []
    clock = time.strftime("%H:%M:%S", time.localtime(trouble["since"]))
    lines = [f"database   away since {clock}, goals wait: {trouble['why']}"]
    return [*lines, f"           {trouble['todo']}"] if trouble["todo"] else lines


def http_lines(http: dict[str, Any], settings: Settings) -> list[str]:
    """Say where HTTP clients connect, or why they can't."""
    if http.get("url"):
        bridge = [f"containers {http['bridge']}"] if http.get("bridge") else []
        return [f"http       {http['url']} (token in {settings.token_file})", *bridge]
    return [f"http       off: {http.get('error')}"]
