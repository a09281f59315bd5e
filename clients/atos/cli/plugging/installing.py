"""`atos-client install HOST` and `uninstall HOST`.

    entries -> settings of this shell kept in the home's .env -> host's file backed up and replaced -> each entry tried

Doing it again changes nothing. What does not start our shim is never touched.
"""

from __future__ import annotations

import json
import os
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import Any

from atos.cli.plugging import host_file
from atos.cli.plugging.entries import Entry, is_ours, make_entries
from atos.cli.plugging.env_file import carried, set_values
from atos.cli.plugging.mcp_hosts import McpHost, System, host_named
from atos.cli.plugging.trial import Trial, try_entry
from atos.cli.stay import set_stay
from atos_protocol.errors import AtosError, BadRequestError, ConflictError, NotFoundError
from atos_protocol.host_protocol import ALL, ENTRIES, SERVERS
from atos_protocol.settings import Settings, home_directory
from atos_protocol.tokens import add_token, revoke_token

DEFAULT_SERVERS = (ALL,)
NO_SANDBOX = "On macOS there is no sandbox yet: goals are refused, other tools work."


def install(arguments: Namespace, settings: Settings) -> int:
    """Plug ATOS into a host, and prove that each entry works; the exit code is 1 where one does not."""
    host = host_named(arguments.host)
    system = System.of(home_directory(), os.environ)
    entries = _wanted(arguments)
    if host.name == "print":
        print(json.dumps({host.key: _written(entries, host, system)}, indent=2))
        return 0
    kept = carried(settings, os.environ)
    set_values(settings, kept)
    said = [f"{settings.home / '.env'}: kept {', '.join(kept)}"] if kept else []
    if host.file is None:
        return _plug_in_http(arguments, host, settings, said)
    path = host.file(system)
    backup, changed = _put(path, host, system, entries)
    said.append(
        f"{path}: {', '.join(e.name for e in entries)}" + ("" if changed else " (as before)")
    )
    said += [f"what it held before: {backup}"] if backup else []
    said += [NO_SANDBOX] if system.platform == "darwin" else []
    trials = [] if arguments.no_trial else [try_entry(entry) for entry in entries]
    _report(arguments, host, said, trials)
    return 0 if all(trial.ok for trial in trials) else 1


def uninstall(arguments: Namespace, settings: Settings) -> int:
    """Take ATOS out of a host's configuration; everything else in it stays."""
    host = host_named(arguments.host)
    if host.name == "n8n":
        revoke_token(settings, host.name)
        told = "the token of n8n is revoked; its workflows can't call ATOS any more"
        print(json.dumps({"revoked": host.name}) if arguments.json else told)
        return 0
    if host.file is None:
        message = f"{host.name} has no file that could be changed"
        raise BadRequestError(message, next_step="Remove the entry where you pasted it.")
    path = host.file(System.of(home_directory(), os.environ))
    config = host_file.read(path)
    servers = host_file.servers_in(config, host.key, path)
    gone = [name for name, entry in servers.items() if is_ours(entry)]
    if not gone:
        message = f"{path} has no entry of ATOS"
        raise NotFoundError(message, next_step="Nothing has to be done.")
    left = {name: entry for name, entry in servers.items() if name not in gone}
    backup = host_file.write(path, {**config, host.key: left})
    said = {"removed": gone, "file": str(path), "backup": str(backup)}
    print(
        json.dumps(said)
        if arguments.json
        else f"{path}: removed {', '.join(gone)}\nwhat it held before: {backup}\n{host.restart}"
    )
    return 0


def mcp_config(arguments: Namespace, settings: Settings) -> int:
    """Print entries for a host's configuration, by default of the five servers, each by itself."""
    del settings
    host = host_named("print")
    entries = make_entries(arguments.server or SERVERS)
    system = System.of(home_directory(), os.environ)
    print(json.dumps({host.key: _written(entries, host, system)}, indent=2))
    return 0


def _wanted(arguments: Namespace) -> list[Entry]:
    options = [f"--tools={arguments.tools}"] if arguments.tools else []
    options += ["--read-only"] if arguments.read_only else []
    places = [Path(each).expanduser().absolute() for each in arguments.directory]
    return make_entries(arguments.server or DEFAULT_SERVERS, directories=places, options=options)


def _written(entries: list[Entry], host: McpHost, system: System) -> dict[str, Any]:
    return {entry.name: entry.as_written(host, system) for entry in entries}


def _put(
    path: Path, host: McpHost, system: System, entries: list[Entry]
) -> tuple[Path | None, bool]:
    """Have exactly these entries of ours in a host's file; return the backup, and whether it changed."""
    config = host_file.read(path)
    servers = host_file.servers_in(config, host.key, path)
    ours = _written(entries, host, system)
    taken = [name for name in ours if name in servers and not is_ours(servers[name])]
    if taken:
        message = f"{path} has an entry {taken[0]!r} that is not ours"
        raise ConflictError(message, next_step="Rename or remove it; nothing was changed.")
    others = {name: entry for name, entry in servers.items() if not is_ours(entry)}
    if {**others, **ours} == servers:
        return None, False
    return host_file.write(path, {**config, host.key: {**others, **ours}}), True


def _plug_in_http(arguments: Namespace, host: McpHost, settings: Settings, said: list[str]) -> int:
    """Give an HTTP client its token and address, and have the daemons stay up for it."""
    try:
        made = add_token(settings, host.name)
    except ConflictError:
        made = ""
    said = [*said, *set_stay(settings, stay=True)]
    url = f"http://127.0.0.1:{settings.http_port}/n8n/mcp"
    if arguments.json:
        print(json.dumps({"url": url, "token": made, "notes": said}))
        return 0
    shown = made or f"as before (anew: atos-client token rotate {host.name})"
    lines = [
        *said,
        f"address  {url}",
        f"token    {shown}",
        "In n8n: a credential `Bearer Auth` with this token, used by the MCP Client node.",
        "The daemons stay up from their next start on: atos-client down; atos-client up",
    ]
    print("\n".join(lines))
    return 0


def _report(arguments: Namespace, host: McpHost, said: list[str], trials: list[Trial]) -> None:
    if arguments.json:
        print(json.dumps({"notes": said, "trials": [asdict(trial) for trial in trials]}))
        return
    print("\n".join([*said, *(trial.line() for trial in trials), host.restart]))


def findings(host: McpHost, system: System) -> list[tuple[bool, str]]:
    """Return what a host's file says of us, and how each of its entries does: (is it well, what)."""
    if host.file is None:
        return [(True, f"{host.title} is configured where you use it")]
    path = host.file(system)
    try:
        servers = host_file.servers_in(host_file.read(path), host.key, path)
    except AtosError as error:
        return [(False, error.message)]
    ours = {name: entry for name, entry in servers.items() if is_ours(entry)}
    if not ours:
        return [(False, f"{path} has no entry of ATOS: atos-client install {host.name}")]
    trials = [try_entry(_read_back(name, entry)) for name, entry in ours.items()]
    return [(trial.ok, trial.line()) for trial in trials]


def _read_back(name: str, entry: dict[str, Any]) -> Entry:
    command, args = str(entry.get("command", "")), tuple(map(str, entry.get("args", [])))
    if command == "wsl.exe" and "--" in args:  # seen from inside
        command, *rest = args[args.index("--") + 1 :]
        args = tuple(rest)
    server = next((each for each in args if each in ENTRIES), ALL)
    return Entry(name, server, command, args, dict(entry.get("env", {})))
