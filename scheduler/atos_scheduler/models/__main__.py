"""`python -m atos_scheduler.models`: what `atos-client models` runs, in a process of its own.

The client may import the standard library only, so that it answers at once; this process may take its
time. It inherits the terminal, and its exit code is the client's.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence

from atos_protocol.errors import AtosError, exit_code
from atos_protocol.settings import load_settings
from atos_scheduler.models.commands import ModelCommands, Outcome
from atos_scheduler.models.meter import Lines, Silent

INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out one command."""
    parser = argparse.ArgumentParser(prog="atos-client models")
    parser.add_argument("action", choices=("list", "pull", "fit", "remove", "verify", "offer"))
    parser.add_argument("name", nargs="?", default="")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.ERROR)
    try:
        outcome = _carry_out(arguments)
    except AtosError as error:
        _print_error(error, as_json=arguments.json)
        return exit_code(error)
    except KeyboardInterrupt:
        sys.stderr.write("\nstopped; the same command goes on where this one was\n")
        return INTERRUPTED
    text = json.dumps(outcome.data) if arguments.json else "\n".join(outcome.lines)
    sys.stdout.write(f"{text}\n")
    return outcome.code


def _carry_out(arguments: argparse.Namespace) -> Outcome:
    meter = Silent() if arguments.json else Lines()
    commands = ModelCommands(load_settings(), meter)
    match arguments.action:
        case "list":
            return commands.list()
        case "fit":
            return commands.fit()
        case "offer":
            return commands.offer()
        case "pull":
            return commands.pull(arguments.name)
        case "remove":
            return commands.remove(arguments.name)
        case _:
            return commands.verify(arguments.name)


def _print_error(error: AtosError, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps({"error": error.to_wire()}) + "\n")
        return
    sys.stderr.write(f"atos-client: {error.message}\n")
    if error.next_step:
        sys.stderr.write(f"  → {error.next_step}\n")


if __name__ == "__main__":
    sys.exit(main())
