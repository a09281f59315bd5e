"""What a person does next: errors name tools and routes, because models read most of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

COMMANDS = {
    "list_goals": "`atos-client status`",
    "get_goal": "`atos-client status GOAL`",
    "get_task": "`atos-client debug GOAL/T1`",
    "wait_goal": "`atos-client watch`",
    "answer_question": "`atos-client answer`",
    "submit_fix": "`atos-client fix`",
    "retry_goal": "`atos-client retry`",
    "cancel_goal": "`atos-client cancel`",
    "resume_goal": "`atos-client resume`",
    "set_limits": "`atos-client limits`",
    "start_goal": "`atos-client build`",
    "with `review`": "with `--review`",
    "GET /atos/v1/decisions": "`atos-client scheduler decisions`",
    "GET /atos/v1/status": "`atos-client vram`",
    "vram_status": "`atos-client vram`",
    "list_models": "`atos-client models list`",
    "list_deployments": "`atos-client deployments`",
    "verify_deployment": "`atos-client deployments verify`",
    "plan_goal": "`atos-client plan --json`",
}
"""Tool or route -> the command that does the same."""


def as_commands(step: str) -> str:
    """Return a next step in which commands stand instead of tools."""
    for tool, command in COMMANDS.items():
        step = step.replace(f"`{tool}`", command).replace(tool, command)
    return step


def after_success(view: Mapping[str, Any]) -> list[str]:
    """Return what a person does with a goal that is done: look at it, then have it run."""
    import shlex  # `status` is waited for, and seldom ends here

    return [
        f"git -C {shlex.quote(view['repository'])} log --stat",
        f"atos-client open {view['id']}",
        f"atos-client deploy {view['id']}",
    ]
