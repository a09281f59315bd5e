"""`atos-client`: the command line. Standard library only, so that it answers at once."""

from __future__ import annotations

import errno
import os
import sys

TYPE_CHECKING = False
if (
    TYPE_CHECKING
):  # `--version` and completion are waited for: whatever they don't need is imported later
    import argparse
    from collections.abc import Sequence

    from atos_protocol.errors import AtosError

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
    if replace := getattr(sys.stdout, "reconfigure", None):
        replace(errors="replace")  # a terminal of another encoding shows ? for what it lacks
    if words == ["--version"]:
        from atos.cli.version import installed_version

        print(f"atos-client {installed_version()}")
        return 0
    from atos.cli.action_commands import with_default
    from atos.cli.command_parser import NAMES
    from atos.cli.commands import parser
    from atos_protocol.errors import AtosError, exit_code

    if not words:
        parser().print_help()
        return 0
    if (told := _no_command(words, NAMES)) is not None:
        print(told, file=sys.stderr)
        return 2
    arguments = parser(words[0] if words[0] in NAMES else "").parse_args(with_default(words))
    try:
        try:
            code = run(arguments)
        except AtosError as error:
            code = exit_code(error)
            _tell(error, as_json=arguments.json)
        sys.stdout.flush()  # what fails at the interpreter's own end is told by a traceback
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader has gone, as `| head` does; there is nobody to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # a full disk, a home that can't be written or read
        _tell(_of_the_machine(error), as_json=arguments.json)
        return 1
    return code


def _tell(error: AtosError, *, as_json: bool) -> None:
    """Print an error with its next step, as the command that does it."""
    if as_json:
        import json

        print(json.dumps({"error": error.to_wire()}), flush=True)
        return
    from atos.cli.formatting import for_terminal
    from atos.cli.next_steps import as_commands

    lines = [f"atos-client: {error.message}"]
    lines += [f"  → {as_commands(error.next_step)}"] if error.next_step else []
    print("\n".join(for_terminal(lines, 4, sys.stderr)), file=sys.stderr)


def _of_the_machine(error: OSError) -> AtosError:
    """Return what the system refused as an error with a next step."""
    from atos_protocol.errors import NoSpaceError, WorkspaceError

    place = f"{error.filename}: " if error.filename else ""
    message = f"{place}{error.strerror or error}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpaceError(message, next_step="Make room on that disk, then try again.")
    step = "See that it can be read and written, or set ATOS_HOME; then try again."
    return WorkspaceError(message, next_step=step)


def _no_command(words: list[str], known: Sequence[str]) -> str | None:
    """Say what was probably meant where the first word is no command; None where it is one."""
    if not words or words[0].startswith("-"):
        return None
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


if __name__ == "__main__":
    sys.exit(main())
