"""How the command line tells of itself: commands in groups, a mistake with its next step."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

from atos.cli.terminal import terminal_columns

ABOUT = "Small local models doing real software work."
FIRST_STEP = 'atos-client build "Write a Python function to add two numbers"'
GROUPS = {
    "goals": (
        "build", "plan", "watch", "status", "open", "explain", "film", "trace", "debug", "logs",
    ),
    "steering a goal": (
        "answer", "approve", "edit", "note", "limits", "fix", "retry", "pause", "resume", "cancel",
    ),
    "what was built": ("deploy", "deployments", "clean"),
    "models and memory": ("models", "vram", "scheduler", "gateway", "lease"),
    "other programs": ("install", "uninstall", "mcp-config", "token", "n8n", "workflows"),
    "ATOS itself": ("doctor", "config", "up", "down", "completion"),
}  # fmt: skip
"""How the help orders the commands: by what a person is about to do."""
USAGE = "atos-client COMMAND ...   (atos-client COMMAND --help tells more)"
NAMES = tuple(name for names in GROUPS.values() for name in names)
NAME_WIDTH = 15
WIDEST = 100


class Formatter(argparse.HelpFormatter):
    """Writes help as wide as the terminal."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=terminal_columns() - 2)


class RawFormatter(Formatter, argparse.RawDescriptionHelpFormatter):
    """The same; lines of descriptions stay as they are."""


class Asked:
    """Adds the one command that is called: describing all of them takes 10 ms, which `status` would wait for."""

    def __init__(self, commands: Any, only: str) -> None:
        self._commands, self._only = commands, only

    def add_parser(self, name: str, **about: Any) -> Any:
        """Add a command, if it is the one."""
        return self._commands.add_parser(name, **about) if name == self._only else Unasked()


class Unasked:
    """Takes the arguments of a command that is not called, and forgets them."""

    def add_argument(self, *_: Any, **__: Any) -> None:
        """Forget an argument."""

    def add_subparsers(self, **_: Any) -> Unasked:
        """Forget its actions."""
        return self

    def add_parser(self, *_: Any, **__: Any) -> Unasked:
        """Forget an action."""
        return self


class Command(argparse.ArgumentParser):
    """The arguments of one command."""

    def __init__(self, **about: Any) -> None:
        about.setdefault("formatter_class", Formatter)
        super().__init__(**about)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the words and what to do next; end with 2."""
        self.print_usage(sys.stderr)
        self.exit(2, f"{self.prog}: {message}\n  → {self.prog} --help\n")


class Commands(Command):
    """All commands of the program."""

    choices: Mapping[str, argparse.ArgumentParser]
    """Command -> its arguments."""

    def format_help(self) -> str:
        """Return the help, as wide as the terminal."""
        lines = [ABOUT, "", f"Begin with: {FIRST_STEP}"]
        for title, names in GROUPS.items():
            lines += ["", f"{title}:"]
            lines += [row for name in names for row in self._rows(name)]
        self.description = "\n".join(lines)
        return super().format_help()

    def _rows(self, name: str) -> list[str]:
        import textwrap  # what only the help needs is imported for it: `status` is waited for

        width = min(terminal_columns() - 2, WIDEST)
        about = self.choices[name].description or ""
        return textwrap.wrap(
            about, width, initial_indent=f"  {name:{NAME_WIDTH - 2}}",
            subsequent_indent=" " * NAME_WIDTH,
        )  # fmt: skip
