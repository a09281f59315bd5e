"""Containers call by the bridge's address, with a token of their own: a network namespace stands for the container."""

import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from inline_snapshot import snapshot

from atos.cli.containers import bridge_address
from atos.cli.main import main
from atos_protocol.errors import BadRequestError, NotFoundError
from atos_protocol.settings import Settings, load_settings
from atos_protocol.tokens import add_token
from atos_servers.host.http_server import bind_bridge
from doubles.host_process import host_process
from doubles.scripted_host import ScriptedHost

pytestmark = pytest.mark.timeout(120)


@dataclass(frozen=True)
class Container:
    """A network of two ends: ours, and that of a namespace without any other way out."""

    name: str
    here: str

    def get(self, url: str, token: str, host: str = "") -> tuple[int, str]:
        """GET from inside; return status and body."""
        named = ["-H", f"Host: {host}"] if host else []
        asked = ["curl", "-s", "-m", "20", "-w", "\n%{http_code}", *named, url]
        line = ["ip", "netns", "exec", self.name, *asked, "-H", f"Authorization: Bearer {token}"]
        done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=40)
        body, _, status = done.stdout.rpartition("\n")
        return int(status or 0), body


def test_the_token_of_containers_is_told_to_programs_too(
    atos_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nothing(*_: object) -> list[str]:
        return []

    def opened(_: str, settings: Settings) -> tuple[Settings, list[str]]:
        return settings, ["  token    atos_abc"]

    for name in ("ensure", "restart_outdated"):
        monkeypatch.setattr(f"atos.cli.daemons.{name}", nothing)
    monkeypatch.setattr("atos.cli.containers.open_bridge", opened)
    with ScriptedHost(load_settings().servers_socket, {}):
        monkeypatch.setattr("atos.cli.host_connection.ensure", nothing)
        assert main(["up", "--docker", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["notes"] == ["  token    atos_abc"]


@pytest.fixture
def container() -> Iterator[Container]:
    if os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("curl"):
        pytest.skip("needs root, ip and curl")
    tag, net = secrets.token_hex(3), f"10.213.{secrets.randbelow(250)}"
    name, ours, theirs = f"atos{tag}", f"va{tag}", f"vb{tag}"
    steps = f"""
ip netns add {name} &&
ip link add {ours} type veth peer name {theirs} netns {name} &&
ip addr add {net}.1/24 dev {ours} && ip link set {ours} up &&
ip -n {name} addr add {net}.2/24 dev {theirs} && ip -n {name} link set {theirs} up
"""
    made = subprocess.run(["sh", "-c", steps], capture_output=True, text=True, check=False)
    try:
        if made.returncode:
            pytest.skip(f"no network namespace here: {made.stderr.strip()[:200]}")
        yield Container(name, f"{net}.1")
    finally:
        subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
        subprocess.run(["ip", "link", "del", ours], capture_output=True, check=False)


def test_a_container_comes_in_by_name_and_token_and_nothing_else_does(
    container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATOS_BRIDGE_ADDRESS", container.here)
    with host_process() as host:
        host.ensure()
        http = host.status()["http"]
        port = int(http["url"].rpartition(":")[2])
        url = f"http://{container.here}:{port}/healthz"
        token = add_token(host.settings, "n8n")
        named = f"host.docker.internal:{port}"
        answers = {
            "token and address": container.get(url, token),
            "token and name": container.get(url, token, named),
            "no token": container.get(url, "x" * 43),
            "the person's token": container.get(url, host.token),
            "another name": container.get(url, token, f"evil.example:{port}"),
            "loopback's name": container.get(url, token, f"127.0.0.1:{port}"),
        }
    assert http["bridge"] == f"http://{container.here}:{port} (http://host.docker.internal:{port})"
    told = {
        how: (status, body if status == 200 else json.loads(body)["error"]["next"])
        for how, (status, body) in answers.items()
    }
    plain = {how: (s, b.replace(str(port), "PORT").replace(container.here, "BRIDGE")) for how, (s, b) in told.items()}  # fmt: skip
    assert plain == snapshot(
        {
            "token and address": (200, "ok"),
            "token and name": (200, "ok"),
            "no token": (
                401,
                "Send `Authorization: Bearer` with the content of the file run/token, or with a token of `atos-client token add`.",
            ),
            "the person's token": (403, "Give the container its own: atos-client token add NAME"),
            "another name": (
                421,
                "From a container use one of BRIDGE:PORT, host.docker.internal:PORT; more names: ATOS_BRIDGE_HOSTS.",
            ),
            "loopback's name": (
                421,
                "From a container use one of BRIDGE:PORT, host.docker.internal:PORT; more names: ATOS_BRIDGE_HOSTS.",
            ),
        }
    )


def test_without_the_setting_a_container_reaches_nothing(container: Container) -> None:
    with host_process() as host:
        host.ensure()
        port = int(host.status()["http"]["url"].rpartition(":")[2])
        token = add_token(host.settings, "n8n")
        assert container.get(f"http://{container.here}:{port}/healthz", token) == (0, "")


def test_an_address_that_is_none_or_not_ours_says_what_to_do(
    atos_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for wrong in ("8.8.8.8", "docker0", "0.0.0.0"):
        with pytest.raises(BadRequestError, match="not a private IPv4 address"):
            bridge_address(wrong)
    monkeypatch.setattr("atos.cli.containers.BRIDGE", "no-such-net")
    with pytest.raises(NotFoundError) as caught:
        bridge_address("")
    assert caught.value.next_step == snapshot(
        "Start Docker, or name the address of the containers' network: --docker 172.18.0.1. With Docker Desktop: --docker 127.0.0.1"
    )
    monkeypatch.setenv("ATOS_BRIDGE_ADDRESS", "10.255.255.254")
    listeners, said = bind_bridge(_settings(), 18_756)
    assert (listeners, said) == snapshot(
        ([], "off: 10.255.255.254: port 18756 can't be used: Cannot assign requested address")
    )


def _settings() -> Settings:
    return load_settings()
