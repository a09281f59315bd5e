"""`make test-n8n REAL=1`: a real n8n runs the exported workflows against the real ATOS servers, part by part.

Standard library only, but for the parts that need a browser or the tests' stand-ins.
"""

from __future__ import annotations

import secrets
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import exported
import real_agents
import real_answers
import real_parts
import real_trouble
from cut_off import cut_off
from host import Host, prepare_host, remove
from real_atos import Atos, running_atos
from scripted_model import ScriptedModel, scripted_model

from toolchain import Node, StepFailedError

if TYPE_CHECKING:
    from doubles.github import GitHubDouble

BY_PATH = {**real_parts.CHECKS, **real_trouble.CHECKS}
PARTS = ("editor", "panel", "agents", "slow", *BY_PATH, "public", "answers")
"""What can be checked by itself."""
ALL = tuple(part for part in PARTS if part != "panel")
"""What REAL=1 checks: the editor's check searches, too."""
MAIN = ("panel", "agents", "files", "router")
"""A person's and an agent's way, each from end to end."""
SETS: dict[str, tuple[str, ...]] = {"main": MAIN, "all": ALL}
"""What REAL=main and REAL=1 check."""
MISTAKES = (StepFailedError, OSError, ValueError, KeyError, subprocess.SubprocessError)


def _call_agents(host: Host, atos: Atos, model: ScriptedModel, key: str) -> None:
    others = exported.other_workflows(atos.url)
    agents = [others["agent-with-mcp-tool.json"], others["agent-with-node-tool.json"]]
    for each in agents:
        host.activate(each.id, each.path)
    host.publish(others["goal-ended.json"].id)
    for each in agents:
        real_agents.check_agent(host, each, model, key, real_answers.GOAL)
    real_agents.check_callback(host, atos, others["goal-ended.json"])


def _panel(host: Host) -> None:
    import editor  # needs a browser and its driver, which the rest does not

    editor.check_panel(host)


def _editor(host: Host) -> None:
    import editor

    editor.check(host)


def _checks(
    host: Host, atos: Atos, model: ScriptedModel, key: str, hub: GitHubDouble | None
) -> dict[str, Callable[[], None]]:
    """Return the check of each part; they run in this order."""
    others = exported.other_workflows(atos.url)
    tasks = exported.exported_workflows(atos.url)
    known = {each.path: each for each in (*tasks, *exported.trouble_workflows(atos.url))}
    known |= others | {each.path: each for each in others.values()}

    def called(names: Iterable[str], run_check: Callable[[Host, Atos, str], None]) -> None:
        for each in names:
            host.activate(known[each].id, known[each].path)
        run_check(host, atos, key)

    def public() -> None:
        import real_public  # needs the tests' stand-in for GitHub

        assert hub is not None
        called(real_public.WORKFLOWS, partial(real_public.check_public, hub))

    agent = others["agent-with-mcp-tool.json"]
    slow = partial(real_agents.check_slow_agent, host, atos, agent, model, key, real_answers.GOAL)
    return {
        # First: n8n puts a checklist over what was published.
        "editor": partial(_editor, host),
        "panel": partial(_panel, host),
        "agents": partial(_call_agents, host, atos, model, key),
        "slow": slow,
        **{name: partial(called, *each) for name, each in BY_PATH.items()},
        "public": public,
        # Last: ATOS is down afterwards.
        "answers": partial(real_answers.check_answers, host, atos, tasks, key),
    }


def _run(checks: dict[str, Callable[[], None]], parts: set[str]) -> None:
    """Run every check of these parts, also where one before it failed.

    Raises:
        StepFailedError: names those that failed, with their reasons.
    """
    failed: list[str] = []
    for name in (each for each in checks if each in parts):
        print(f"{name}:", flush=True)
        begun = time.monotonic()
        try:
            checks[name]()
        except MISTAKES as error:
            print(f"  {name} FAILED: {error!r}", flush=True)
            failed.append(f"{name}: {error}")
        print(f"  {name}: {time.monotonic() - begun:.0f} s", flush=True)
    if failed:
        raise StepFailedError("\n".join(failed))


def check(node: Node, parts: set[str]) -> None:
    """Run everything in an n8n that is installed; leave nothing behind but its log.

    Args:
        node: the Node that runs n8n.
        parts: some of `PARTS`.

    Raises:
        StepFailedError: a step failed, or a workflow answered otherwise than promised.
    """
    home = Path(tempfile.mkdtemp(prefix="atos"))
    user = Path(tempfile.mkdtemp(prefix="n8n"))
    try:
        with ExitStack() as stack:
            _check(node, home, user, parts, stack)
    finally:
        remove(user)
        remove(home)


def _check(node: Node, home: Path, user: Path, parts: set[str], stack: ExitStack) -> None:
    key, settings, hub = secrets.token_urlsafe(16), dict[str, str](), None
    if "public" in parts:
        import real_public

        hub = stack.enter_context(real_public.stand_in(home))
        settings = real_public.settings(hub, home)
    atos = stack.enter_context(running_atos(home, settings))
    model = stack.enter_context(scripted_model())
    host = prepare_host(node, user)
    cut = stack.enter_context(cut_off(atos.url))
    at = exported.Addresses(key, model.url, real_parts.gateway_url(atos), cut)
    exported.bring_in(host, atos, at)
    stack.callback(host.stop)
    host.hidden = home
    host.start()
    _run(_checks(host, atos, model, key, hub), parts)
