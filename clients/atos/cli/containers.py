"""`atos-client up --docker`: containers reach ATOS by the bridge's address, with a token of their own.

    address found -> kept in the home's .env -> servers started anew if they know it not -> token shown once

With Docker Desktop `host.docker.internal` leads to this machine's loopback: only the name has to be allowed.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import struct
import sys
from ipaddress import IPv4Address

from atos.cli.host_connection import HostClient
from atos.cli.plugging.env_file import set_values
from atos.cli.stay import set_stay
from atos_protocol.daemons import is_up, stop
from atos_protocol.errors import BadRequestError, ConflictError, NotFoundError
from atos_protocol.settings import Settings, load_settings
from atos_protocol.tokens import add_token

BRIDGE = "docker0"
DOCKER_DESKTOP = "127.0.0.1"
TOKEN = "n8n"
"""Name of the token that containers get."""
SIOCGIFADDR = 0x8915
NAME_BYTES = 15


def address_of(interface: str) -> str:
    """Return the IPv4 address of a network interface; empty where there is none."""
    asked = struct.pack("256s", os.fsencode(interface)[:NAME_BYTES])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            found = fcntl.ioctl(probe.fileno(), SIOCGIFADDR, asked)
        except OSError:
            return ""
    return socket.inet_ntoa(found[20:24])


def bridge_address(given: str) -> str:
    """Return the address that containers call.

    Raises:
        BadRequestError: it is not a private IPv4 address.
        NotFoundError: none was given, and Docker's bridge is not there.
    """
    if given:
        try:
            address = IPv4Address(given)
        except ValueError:
            address = IPv4Address(0)
        if address.is_private and not address.is_unspecified:
            return str(address)
        message = f"{given[:60]!r} is not a private IPv4 address of this machine"
        raise BadRequestError(message, next_step="See `ip -4 addr`: --docker 172.17.0.1")
    if sys.platform == "darwin":
        return DOCKER_DESKTOP
    if found := address_of(BRIDGE):
        return found
    message = f"there is no network {BRIDGE}"
    step = (
        "Start Docker, or name the address of the containers' network: --docker 172.18.0.1."
        f" With Docker Desktop: --docker {DOCKER_DESKTOP}"
    )
    raise NotFoundError(message, next_step=step)


def open_bridge(given: str, settings: Settings) -> tuple[Settings, list[str]]:
    """Let containers call; return the settings as they are then, and what a person is told, the token once.

    Raises:
        BadRequestError: the address can't be one.
        NotFoundError: there is no bridge.
    """
    address = bridge_address(given)
    set_values(settings, {"ATOS_BRIDGE_ADDRESS": address})
    settings = load_settings()
    said = set_stay(settings, stay=True)
    if is_up("servers", settings) and not _listens(settings, address):
        stop("servers", settings)
        said.append("the servers were started anew, to listen there; goals go on")
    if is_up("scheduler", settings):
        stop("scheduler", settings)
    return settings, [*said, *_for_the_container(settings)]


def _listens(settings: Settings, address: str) -> bool:
    http = HostClient(settings, "host", start=False).ask("status")["http"]
    return address in json.dumps(http)


def _for_the_container(settings: Settings) -> list[str]:
    """Return what a container is given: address, and the token if it is new."""
    try:
        token = add_token(settings, TOKEN)
    except ConflictError:
        token = f"as before (anew: atos-client token rotate {TOKEN})"
    name = settings.bridge_hosts[0] if settings.bridge_hosts else settings.bridge_address
    return [
        "As a container sees it:",
        f"  address  http://{name}:{settings.http_port}",
        f"  token    {token}",
        f"  docker run --add-host={name}:host-gateway ...   (compose: extra_hosts)",
        f"  a try    curl -H 'Authorization: Bearer TOKEN' http://{name}:{settings.http_port}/healthz",
    ]
