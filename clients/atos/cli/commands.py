"""The commands of `atos-client`: their arguments, and what the help says of them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from atos.cli.action_commands import (
    add_gateway,
    add_models,
    add_n8n,
    add_scheduler,
    add_tokens,
)
from atos.cli.command_parser import USAGE, Asked, Command, Commands, RawFormatter

EPILOG = """exit codes:
  0 done (or started, with --detach)   1 it failed               2 wrong usage
  3 nothing to run it with             4 it needs a person       130 cancelled"""


NAMING = "its id, the beginning of it, its folder, or words of its text"
TARGETS = ("local", "github", "pages", "cloudflare", "heroku", "webhook")


def parser(only: str = "") -> Commands:
    """Describe the commands, or only the one of this name."""
    top = Commands(prog="atos-client", epilog=EPILOG, formatter_class=RawFormatter)
    top.add_argument("--version", action="store_true", help="print the version and end")
    commands: Any = top.add_subparsers(
        dest="command", required=True, metavar="COMMAND", help=argparse.SUPPRESS,
        parser_class=Command,
    )  # fmt: skip
    top.usage, top.choices = USAGE, commands.choices
    commands = Asked(commands, only) if only else commands

    def command(name: str, about: str) -> Any:
        made = commands.add_parser(name, help=about, description=about)
        made.add_argument("--json", action="store_true", help="machine-readable output")
        return made

    build = command("build", "Turn a goal into a tested git repository.")
    build.add_argument("goal", metavar="GOAL", nargs="+", help="what to build, in one sentence")
    build.add_argument("--into", metavar="DIR", help="a new or empty folder, or a git repository")
    build.add_argument("--pull", action="store_true", help="fetch a model first if none is here")
    build.add_argument("--detach", action="store_true", help="start it and return at once")
    build.add_argument(
        "--example", metavar="TEXT", action="append", default=[],
        help="such as 'f(1) -> 2'; may be repeated; examples decide whether code is right",
    )  # fmt: skip
    build.add_argument("--tests", metavar="FILE", help="a pytest file that decides, instead")
    build.add_argument(
        "--plan", metavar="FILE", help="a plan as JSON, made by you or a large model"
    )
    build.add_argument(
        "--review", action="store_true", help="see the plan, and approve it, before anything works"
    )
    build.add_argument(
        "--deploy",
        metavar="TARGET",
        choices=TARGETS,
        default="",
        help="deploy the result and verify it: local serves it on this machine; of the others you are asked",
    )
    build.add_argument(
        "--router", choices=("builtin", "n8n"), default="builtin",
        help="n8n: your workflow `router` chooses each task's models; ATOS does where it does not answer",
    )  # fmt: skip
    build.add_argument(
        "--priority", choices=("low", "normal", "high"), default="normal",
        help="among queued goals: high counts as an hour older, low as an hour younger",
    )  # fmt: skip
    for name, about in (
        ("status", "Show the daemons and goals, starting nothing; or one goal."),
        ("watch", "Follow a goal (default: the newest)."),
        ("cancel", "Cancel a goal (default: the newest)."),
    ):
        command(name, about).add_argument("goal", metavar="GOAL", nargs="?", help=NAMING)
    debug = command("debug", "Show all that happened to one task.")
    debug.add_argument("task", metavar="TASK", help="GOAL/T1, or T1 of the newest goal")
    answer = command("answer", "Answer what a task asks, and have its goal go on.")
    answer.add_argument("task", metavar="GOAL[/TASK]", help="default: the first task that asks")
    answer.add_argument("answer", metavar="ANSWER", help="number, value, or 'f(1) -> 2'")
    fix = command("fix", "Hand in code for a task that did not succeed.")
    fix.add_argument("task", metavar="GOAL/TASK", help="GOAL/T1, or T1 of the newest goal")
    fix.add_argument("files", metavar="[NAME=]FILE", nargs="+", help="the task's own files")
    retry = command("retry", "Try again what is not done of a goal (default: the newest).")
    retry.add_argument("goal", metavar="GOAL", nargs="?", help=NAMING)
    _add_steering(command)
    for name, about in (
        ("pause", "Have nothing work for a goal until `resume`; models: `scheduler pause`."),
        ("resume", "Have a paused goal go on; models: `scheduler resume`."),
    ):
        command(name, about).add_argument("goal", metavar="GOAL", help=NAMING)
    clean = command("clean", "Remove what is kept of goals that have ended; repositories stay.")
    clean.add_argument(
        "--older-than", metavar="AGE", default="30d",
        help="since their end: 30d, 12h, 0d; default 30d. Goals that need help stay",
    )  # fmt: skip
    clean.add_argument("--goal", metavar="GOAL", help="this one, whatever its age")
    clean.add_argument("--dry-run", action="store_true", help="count only")
    _add_looking(command)
    _add_deployments(command)
    add_models(commands)
    add_tokens(commands)
    add_scheduler(commands)
    doctor = command("doctor", "Say what is there, what is missing, and what to do about it.")
    doctor.add_argument("--host", metavar="NAME", help="an MCP host: its entries and its logs")
    up = command("up", "Start the daemons.")
    up.add_argument(
        "--stay", action=argparse.BooleanOptionalAction, default=None,
        help="have them stay although nobody uses them, from now on",
    )  # fmt: skip
    up.add_argument(
        "--docker", metavar="ADDRESS", nargs="?", const="",
        help="let containers call too, by Docker's bridge (or that address), with a token of their own; they stay up",
    )  # fmt: skip
    add_n8n(commands)
    add_gateway(commands)
    lease = command("lease", "Run a program while memory is reserved for it among the models.")
    lease.add_argument("size", metavar="SIZE", help="such as 3GiB")
    lease.add_argument(
        "program",
        metavar="-- PROGRAM ...",
        nargs=argparse.REMAINDER,
        help="what to run, and its arguments",
    )
    page = command("open", "Open the page: goals, tasks and devices in a browser.")
    page.add_argument("goal", metavar="GOAL", nargs="?", help=NAMING)
    page.add_argument("--no-browser", action="store_true", help="print the address only")
    command("down", "End the daemons; running goals go on when they are started again.")
    config = command("mcp-config", "Print entries for an MCP host; `install` writes them.")
    config.add_argument("server", metavar="SERVER", nargs="*", help="default: all five")
    _add_hosts(command)
    return top


def _add_looking(command: Callable[[str, str], Any]) -> None:
    """Commands that only look, and start nothing that runs on."""
    plan = command("plan", "Show the plan that a goal would get; nothing is built.")
    plan.add_argument("goal", metavar="GOAL", nargs="+", help="what would be built")
    logs = command("logs", "Show the end of the daemons' logs, or everything about a goal.")
    logs.add_argument(
        "what", metavar="WHAT", nargs="?", default="",
        help="servers, scheduler, worker, a pool (pool-simple), or a goal; default: the three",
    )  # fmt: skip
    logs.add_argument("-n", dest="lines", type=int, default=20, metavar="N", help="lines of each")
    logs.add_argument(
        "-f", "--follow", action="store_true",
        help="go on with what comes: a log until Ctrl-C, a goal until it ends",
    )  # fmt: skip
    explain = command("explain", "Say why a goal, a task or a decision is as it is.")
    explain.add_argument(
        "what", metavar="WHAT", nargs="?", default="",
        help="a goal, GOAL/T1, T1 of the newest goal, or the number of a decision",
    )  # fmt: skip
    explain.add_argument(
        "--short", action="store_true", help="only where it stands: no story, no waterfall of time"
    )
    film = command("film", "Write a goal's story as one HTML file that can be sent to somebody.")
    film.add_argument("goal", metavar="GOAL", nargs="?", help="default: the newest goal")
    film.add_argument(
        "-o", "--output", metavar="FILE", help="default: GOAL.html; with .svg only the waterfall"
    )
    trace = command("trace", "Send a goal's trace to a tool of yours; nothing is sent by itself.")
    trace.add_argument("goal", metavar="GOAL", nargs="?", help="default: the newest goal")
    trace.add_argument(
        "--to", metavar="PLACE", default="",
        help="otlp:URL, langsmith[:PROJECT], wandb[:online], or file:PATH; default: print it",
    )  # fmt: skip
    trace.add_argument(
        "--content", action="store_true", help="with the goal's words, titles and questions"
    )
    command("vram", "Show the memory for models, what is in it, and who asks for it.").add_argument(
        "--watch", action="store_true", help="again every second, until Ctrl-C"
    )
    command("workflows", "List the n8n workflows that may be triggered.")
    command("config", "Show every setting, its value, and where the value comes from.")
    made = command("completion", "Print a completion script for a shell.")
    made.add_argument(
        "shell", metavar="SHELL", choices=("bash", "zsh", "fish"), help="bash, zsh, fish"
    )


def _add_hosts(command: Callable[[str, str], Any]) -> None:
    about = "Plug ATOS into an MCP host, and prove that it works there."
    install = command("install", about)
    hosts = "claude-desktop, claude-code, cursor, vscode, n8n, or print"
    install.add_argument("host", metavar="HOST", help=hosts)
    install.add_argument(
        "--server", metavar="NAME", action="append", default=[],
        help="an entry for this server; may be repeated. Default: all, twelve tools of the five",
    )  # fmt: skip
    install.add_argument(
        "--tools", metavar="SETS", default="",
        help="toolsets of the entry `all`: goals,files,code,models,workflows,n8n, or all",
    )  # fmt: skip
    install.add_argument("--read-only", action="store_true", help="only tools that change nothing")
    install.add_argument(
        "--directory", metavar="DIR", action="append", default=[],
        help="what its tools may access; may be repeated. Default: as the settings allow",
    )  # fmt: skip
    install.add_argument("--no-trial", action="store_true", help="write it without trying it")
    command("uninstall", "Take ATOS out of an MCP host.").add_argument(
        "host", metavar="HOST", help=hosts
    )


def _add_steering(command: Callable[[str, str], Any]) -> None:
    approve = command("approve", "Show the plan that a goal waits with, and have the work begin.")
    approve.add_argument("goal", metavar="GOAL", nargs="?", help="default: the newest goal")
    approve.add_argument("digest", metavar="DIGEST", nargs="?", help="of the plan; not asked then")
    approve.add_argument("--yes", action="store_true", help="do not ask")
    edit = command("edit", "Change the plan that a goal waits with, in $EDITOR or from a file.")
    edit.add_argument("goal", metavar="GOAL", nargs="?", help="default: the newest goal")
    edit.add_argument("--plan", metavar="FILE", help="the whole plan, as JSON")
    note = command("note", "Tell a goal something that its tasks must heed from now on.")
    note.add_argument("goal", metavar="GOAL", help=NAMING)
    note.add_argument("text", metavar="TEXT", help="one sentence")
    limits = command("limits", "Set what a goal may use in all; one that stopped tries again.")
    limits.add_argument("goal", metavar="GOAL", help=NAMING)
    limits.add_argument("--minutes", type=float, default=0.0, help="of work")
    limits.add_argument("--calls", type=int, default=0, help="of models")


def _add_deployments(command: Callable[[str, str], Any]) -> None:
    made = command("deploy", "Deploy a goal's repository or a folder, and verify that it answers.")
    made.add_argument("what", metavar="GOAL|PATH", nargs="?", help="default: the newest goal")
    made.add_argument(
        "target", metavar="TARGET", nargs="?", choices=TARGETS, default="local",
        help="local (default): served on this machine, in the sandbox; github: a public repository, or a pull"
        " request; pages: the same, served by GitHub as a site; cloudflare: a site, without a token for an hour;"
        " heroku: an app; webhook: through a workflow of n8n",
    )  # fmt: skip
    made.add_argument("--name", metavar="NAME", help="of the deployment; default after the folder")
    made.add_argument(
        "--to",
        metavar="OWNER/NAME",
        help="the repository, by default one of your own; heroku: the app; webhook: the workflow",
    )
    made.add_argument("--yes", action="store_true", help="do not ask; local only")
    made.add_argument(
        "--approve",
        metavar="DIGEST",
        help="do not ask, if the plan has this digest: for what is public",
    )
    made.add_argument("--dry-run", action="store_true", help="say what would go out, and end")
    made = command("deployments", "List deployments, or stop, start, verify or roll back one.")
    actions = ("list", "stop", "start", "verify", "rollback", "logs")
    made.add_argument(
        "action",
        metavar="ACTION",
        nargs="?",
        choices=actions,
        default="list",
        help=", ".join(actions),
    )
    made.add_argument("name", metavar="NAME", nargs="?", help="as `deployments list` shows it")
