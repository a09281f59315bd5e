"""`atos-client token`: the tokens with which clients call over HTTP."""

from __future__ import annotations

import json
import time
from argparse import Namespace
from pathlib import Path

from atos_protocol.printable import printable
from atos_protocol.settings import Settings
from atos_protocol.tokens import (
    DEFAULT,
    add_token,
    named_tokens,
    revoke_token,
    rotate_token,
)


def token(arguments: Namespace, settings: Settings) -> int:
    """Add, list, revoke or change tokens; daemons that run take notice at once."""
    match arguments.action:
        case "add":
            made = add_token(settings, arguments.name, map(Path, arguments.workspaces))
            show(arguments, arguments.name, made)
        case "rotate":
            show(arguments, arguments.name, rotate_token(settings, arguments.name))
        case "revoke":
            revoke_token(settings, arguments.name)
            said = {"revoked": arguments.name}
            print(json.dumps(said) if arguments.json else f"revoked: {arguments.name}")
        case _:
            listed(arguments, settings)
    return 0


def show(arguments: Namespace, name: str, made: str) -> None:
    """Print a token that was just made, for the only time."""
    if arguments.json:
        print(json.dumps({"name": name, "token": made}))
        return
    print(made)
    if name == DEFAULT:
        print("It is in run/token; clients that send the old one are refused from now on.")
    else:
        print(f"The token of {name}, shown only now. Send it as `Authorization: Bearer TOKEN`.")


def listed(arguments: Namespace, settings: Settings) -> None:
    """Print the names, since when they are valid, and what their tools may access."""
    found = named_tokens(settings)
    if arguments.json:
        rows = [
            {"name": each.name, "created": each.created, "workspaces": list(each.workspaces)}
            for each in found
        ]
        print(json.dumps({"tokens": [{"name": DEFAULT}, *rows]}))
        return
    print(f"{DEFAULT:<16}in {settings.token_file}")
    for each in found:
        since = time.strftime("%Y-%m-%d %H:%M", time.localtime(each.created))
        places = ", ".join(map(printable, each.workspaces)) or "as the settings allow"
        print(f"{each.name:<16}{since}  {places}")
