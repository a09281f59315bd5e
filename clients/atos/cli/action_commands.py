"""The commands that have actions of their own: gateway, n8n, models, token, scheduler."""

from __future__ import annotations

import argparse
from typing import Any

DEFAULTS = {"gateway": "list", "models": "list", "scheduler": "decisions", "token": "list"}
"""Command -> the action that is meant where none is named; each of them only looks."""


def with_default(words: list[str]) -> list[str]:
    """Return a command line with the action that it leaves out."""
    if not words or words[0] not in DEFAULTS or not set(words[1:]) <= {"--json"}:
        return words
    return [words[0], DEFAULTS[words[0]], *words[1:]]


def _actions(commands: Any, name: str, about: str) -> Any:
    """Add a command; return what its actions are added to."""
    if name in DEFAULTS:
        about = f"{about} Default: {DEFAULTS[name]}."
    made: argparse.ArgumentParser = commands.add_parser(name, help=about, description=about)
    return made.add_subparsers(dest="action", required=True, metavar="ACTION")


def add_gateway(commands: Any) -> None:
    """A port of its own for each program that uses the models."""
    about = "Let other programs use the models: Ollama, OpenAI and Anthropic clients."
    actions = _actions(commands, "gateway", about)
    for action, says in (
        ("on", "Give a client a loopback port of its own; the daemons stay up for it."),
        ("off", "Close a client's port."),
        ("list", "Show the clients and their ports."),
        (
            "takeover",
            "Stand where Ollama stood (port 11434), so that all its clients share the budget.",
        ),
        ("restore", "Give that port back."),
    ):
        made = actions.add_parser(action, help=says, description=says)
        made.add_argument("--json", action="store_true", help="machine-readable output")
        if action == "on":
            made.add_argument(
                "--as", dest="client", metavar="NAME[:CLASS]", required=True,
                help="who it is, and whether it is `interactive` (default) or `batch`",
            )  # fmt: skip
            made.add_argument("--port", type=int, default=0, help="default: a free one from 11440")
            made.add_argument(
                "--weight", type=float, default=1.0,
                help="0.25 to 8; each doubling counts as ten seconds of waiting more; default 1",
            )  # fmt: skip
        if action == "off":
            made.add_argument("name", metavar="NAME")


def add_n8n(commands: Any) -> None:
    """ATOS inside an n8n."""
    about = "Put ATOS's nodes, credentials and workflows into an n8n, or look how they do."
    actions = _actions(commands, "n8n", about)
    for action, says in (
        ("setup", "Install the nodes, make the credentials, import and publish the workflows."),
        ("check", "Say whether n8n has them and reaches ATOS, and what to do where not."),
    ):
        made = actions.add_parser(action, help=says, description=says)
        made.add_argument("--json", action="store_true", help="machine-readable output")
        made.add_argument("--container", metavar="NAME", default="", help="n8n's, in Docker")
        made.add_argument(
            "--n8n", metavar="COMMAND", default="n8n", help="n8n's own command; default n8n"
        )
        if action == "setup":
            made.add_argument(
                "--package", metavar="PATH", default="",
                help="the packed nodes (.tgz) or their folder; default: those of this checkout",
            )  # fmt: skip
            made.add_argument(
                "--model-url", metavar="URL", default="",
                help="chat models for the agents' credential; default: a gateway port of n8n's own",
            )  # fmt: skip


def add_models(commands: Any) -> None:
    """The models of this machine."""
    about = "List, fetch, check and remove models."
    actions = _actions(commands, "models", about)
    for action, says, name in (
        ("list", "Show the catalogue: what is here, what fits, licences.", ""),
        ("pull", "Fetch a model and verify it; without NAME the proposed one.", "?"),
        ("fit", "Show what this machine can run.", ""),
        ("remove", "Remove a fetched model.", "1"),
        ("verify", "Compare fetched models with what was published.", "?"),
    ):
        made = actions.add_parser(action, help=says, description=says)
        made.add_argument("--json", action="store_true", help="machine-readable output")
        if name:
            made.add_argument("name", metavar="NAME", nargs="?" if name == "?" else None)


def add_tokens(commands: Any) -> None:
    """Who may call over HTTP."""
    about = "Add, list, revoke and change the tokens of HTTP clients."
    actions = _actions(commands, "token", about)
    for action, says in (
        ("add", "Make a token for a client; it sees no other client's goals."),
        ("list", "Show whose tokens there are."),
        ("revoke", "Make a token worthless; what is open with it is closed."),
        ("rotate", "Replace a token by another (default: the one in run/token)."),
    ):
        made = actions.add_parser(action, help=says, description=says)
        made.add_argument("--json", action="store_true", help="machine-readable output")
        if action == "rotate":
            made.add_argument("name", metavar="NAME", nargs="?", default="default")
        elif action != "list":
            made.add_argument("name", metavar="NAME")
        if action == "add":
            made.add_argument(
                "--workspaces", metavar="DIR", nargs="+", default=[],
                help="directories that its tools may access, instead of those of the settings",
            )  # fmt: skip


def add_scheduler(commands: Any) -> None:
    """What the scheduler does, and why."""
    about = "Say what the scheduler decided and why; pause all models."
    actions = _actions(commands, "scheduler", about)
    for action, says, name in (
        ("decisions", "Show the latest decisions, or those that concern MODEL.", "MODEL"),
        (
            "explain",
            "Show what else a decision could have been, and what it would have taken.",
            "N",
        ),
        ("forecast", "Show what a goal's plan would load, when and for how long.", "GOAL"),
        ("receipt", "Show what a goal has cost in swaps.", "GOAL"),
        ("pause", "Take every model out of memory, and load none until `scheduler resume`.", ""),
        ("resume", "Let models be loaded again.", ""),
    ):
        made = actions.add_parser(action, help=says, description=says)
        made.add_argument("--json", action="store_true", help="machine-readable output")
        if not name:
            continue
        made.add_argument("about", metavar=name, nargs="?" if action == "decisions" else None)
