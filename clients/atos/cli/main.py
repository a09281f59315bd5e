"""`atos-client`: the command line. Standard library only, so that it answers at once."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if (
    TYPE_CHECKING
):  # `--version` and completion are waited for: whatever they don't need is imported later
    import argparse
    from collections.abc import Sequence

MODULES = {
    "answer": "steering",
    "approve": "reviewing",
    "build": "goals",
    "cancel": "goals",
    "clean": "cleaning",
    "completion": "describing",
    "config": "describing",
    "debug": "goals",
    "deploy": "deploying",
    "deployments": "deploying",
    "doctor": "doctor",
    "edit": "reviewing",
    "explain": "looking",
    "film": "storytelling",
    "fix": "steering",
    "gateway": "gateway",
    "install": "plugging.installing",
    "lease": "leases",
    "limits": "reviewing",
    "logs": "looking",
    "mcp-config": "plugging.installing",
    "models": "models",
    "n8n": "n8n",
    "note": "reviewing",
    "open": "opening",
    "pause": "steering",
    "plan": "looking",
    "resume": "steering",
    "retry": "steering",
    "scheduler": "decisions",
    "token": "tokens",
    "trace": "storytelling",
    "uninstall": "plugging.installing",
    "vram": "looking",
    "watch": "goals",
    "workflows": "looking",
}
"""Command -> module with a function of its name; the others are in `daemons`."""


def run(arguments: argparse.Namespace) -> int:
    """Carry out one command; its module is imported only now."""
    import importlib

    from atos_protocol.server_url import learn_secrets
    from atos_protocol.settings import load_settings

    settings = load_settings()
    learn_secrets(settings)
    if arguments.command in ("build", "plan"):
        arguments.goal = " ".join(arguments.goal)  # a sentence may be written without quotes
    module = importlib.import_module(f"atos.cli.{MODULES.get(arguments.command, 'daemons')}")
    return getattr(module, arguments.command.replace("-", "_"))(arguments, settings)


def main(argv: Sequence[str] | None = None) -> int:
    """Run `atos-client`; every error is one clear sentence with the next step."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words == ["--version"]:
        from atos.cli.version import installed_version

        print(f"atos-client {installed_version()}")
        return 0
    import json

    from atos.cli.commands import parser
    from atos_protocol.errors import AtosError, exit_code

    top = parser()
    if (told := _no_command(words, top)) is not None:
        print(told, file=sys.stderr)
        return 2
    arguments = top.parse_args(words)
    try:
        return run(arguments)
    except AtosError as error:
        if arguments.json:
            print(json.dumps({"error": error.to_wire()}))
        else:
            print(f"atos-client: {error.message}", file=sys.stderr)
            if error.next_step:
                print(f"  → {_as_commands(error.next_step)}", file=sys.stderr)
        return exit_code(error)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # the reader has gone, as `| head` does; there is nobody to tell
        return 0


COMMANDS_OF_TOOLS = {
    "list_goals": "`atos-client status`",
    "get_goal": "`atos-client status GOAL`",
    "get_task": "`atos-client debug GOAL/T1`",
    "wait_goal": "`atos-client watch`",
    "answer_question": "`atos-client answer`",
    "submit_fix": "`atos-client fix`",
    "retry_goal": "`atos-client retry`",
    "cancel_goal": "`atos-client cancel`",
    "start_goal": "`atos-client build`",
    "GET /atos/v1/decisions": "`atos-client scheduler decisions`",
    "vram_status": "`atos-client vram`",
    "list_models": "`atos-client models list`",
}
"""Tool -> what does the same here: errors name tools, because models read most of them."""


def _as_commands(step: str) -> str:
    for tool, command in COMMANDS_OF_TOOLS.items():
        step = step.replace(f"`{tool}`", command).replace(tool, command)
    return step


def _no_command(words: list[str], top: argparse.ArgumentParser) -> str | None:
    """Say what was probably meant where the first word is no command; None where it is one."""
    if not words or words[0].startswith("-"):
        return None
    known = command_names(top)
    if words[0] in known:
        return None
    if " " in words[0] or len(words) > 2:
        import shlex

        sentence = shlex.quote(" ".join(words))
        return f"atos-client: a goal needs its command\n  → atos-client build {sentence}"
    import difflib

    near = difflib.get_close_matches(words[0], known, 3)
    meant = f"did you mean {' or '.join(near)}?" if near else "`atos-client --help` lists them."
    return f"atos-client: {words[0][:40]!r} is no command\n  → {meant}"


def command_names(top: argparse.ArgumentParser) -> list[str]:
    """Return the names of the commands."""
    from atos.cli.describing import subcommands

    return list(subcommands(top))


if __name__ == "__main__":
    sys.exit(main())
