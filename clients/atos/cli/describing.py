"""What the command line says of itself: settings with their origin, completion, and the pages of its help."""

from __future__ import annotations

import argparse
import json
import os
from argparse import Namespace
from collections.abc import Iterator, Mapping
from typing import Any, cast

from atos_protocol.env_file import read_env_file
from atos_protocol.settings import TUNABLE, Settings

WIDTH = 80
"""Columns of the help pages in docs/commands.md."""

ABOUT = (
    "Every page is what `atos-client COMMAND --help` prints at 80 columns;"
    " `python -m atos.cli.pages docs/commands.md` writes it, and a test finds a stale one. `--json` prints one JSON"
    " value; what goes on (`build`, `watch`, `logs`, `vram --watch`) prints one a line."
)


def config(arguments: Namespace, settings: Settings) -> int:
    """Show every setting, its value, and where the value comes from."""
    found = list(origins(settings, os.environ))
    if arguments.json:
        print(json.dumps({name: {"value": value, "from": origin} for name, value, origin in found}))
        return 0
    print("\n".join(_setting_lines(found)))
    print(f"\nwrite others into {settings.home / '.env'}, then: atos-client down")
    return 0


def _setting_lines(found: list[tuple[str, str, str]]) -> Iterator[str]:
    """Yield what somebody has set, with its origin, and then the defaults."""
    wide = max(len(name) for name, _, _ in found) + 2
    for name, value, origin in found:
        if origin != "default":
            yield f"{name:{wide}}{value or '(empty)'}\n    {origin}"
    yield "\ndefaults:"
    for name, value, origin in found:
        if origin == "default":
            yield f"  {name:{wide}}{value or '(empty)'}"


def origins(settings: Settings, environ: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield name, value and origin of every setting; what may hold a password is not shown."""
    file = settings.home / ".env"
    written = read_env_file(file, TUNABLE)
    values: dict[str, Any] = {"ATOS_HOME": settings.home, "ATOS_WORKSPACES": settings.workspaces}
    values |= {name: getattr(settings, field.name) for name, field in TUNABLE.items()}
    for name, value in values.items():
        if name in environ:
            origin = "environment variable"
        elif name in written and name != "ATOS_HOME":
            origin = f"{file}, line {written[name][1]}"
        else:
            origin = "default"
        yield name, _shown(name, value), origin


def _shown(name: str, value: Any) -> str:
    if isinstance(value, tuple):
        return ":".join(str(part) for part in cast("tuple[Any, ...]", value))
    text = str(value)
    if name in TUNABLE and not TUNABLE[name].repr and "@" in text:
        return text.partition("://")[0] + "://(hidden)@" + text.rpartition("@")[2]
    return text


def subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the commands below a parser, by name."""
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to list them
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
            return cast("dict[str, argparse.ArgumentParser]", action.choices)  # pyright: ignore[reportUnknownMemberType]
    return {}


def option_names(parser: argparse.ArgumentParser) -> list[str]:
    """Return the long options of a command."""
    found = [name for action in parser._actions for name in action.option_strings]  # noqa: SLF001
    return [name for name in found if name.startswith("--")]


def help_page(parser: argparse.ArgumentParser) -> str:
    """Return docs/commands.md: every command's help at 80 columns, as `--help` prints it."""
    parts = [
        "# Commands",
        ABOUT,
        f"```text\n{parser.format_help().rstrip()}\n```",
    ]
    for name, command in subcommands(parser).items():
        parts += [f"## {name}", f"```text\n{command.format_help().rstrip()}\n```"]
        for action, below in subcommands(command).items():
            parts.append(f"### {name} {action}\n\n```text\n{below.format_help().rstrip()}\n```")
    return "\n\n".join(parts) + "\n"


def completion(arguments: Namespace, settings: Settings) -> int:
    """Print a completion script."""
    from atos.cli.commands import parser

    script = completion_script(arguments.shell, subcommands(parser()))
    print(json.dumps({"script": script}) if arguments.json else script)
    return 0


def completion_script(shell: str, commands: Mapping[str, argparse.ArgumentParser]) -> str:
    """Return a script that completes commands, their actions and their long options."""
    words = {
        name: " ".join([*subcommands(command), *option_names(command)])
        for name, command in commands.items()
    }
    if shell == "fish":
        first = f'complete -c atos-client -f -n __fish_use_subcommand -a "{" ".join(words)}"'
        rest = [
            f'complete -c atos-client -n "__fish_seen_subcommand_from {name}" -a "{each}"'
            for name, each in words.items()
        ]
        return "\n".join(["# atos-client completion fish | source", first, *rest])
    cases = "\n".join(f'    {name}) words="{each}" ;;' for name, each in words.items())
    head = '# eval "$(atos-client completion bash)"'
    if shell == "zsh":
        head = '# eval "$(atos-client completion zsh)"\nautoload -U +X bashcompinit && bashcompinit'
    return f"""{head}
_atos_client() {{
  local words="{" ".join(words)} --help --version"
  [ "$COMP_CWORD" -gt 1 ] && case "${{COMP_WORDS[1]}}" in
{cases}
  esac
  COMPREPLY=( $(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}") )
}}
complete -o default -F _atos_client atos-client"""
