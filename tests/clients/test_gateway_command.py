"""`atos-client gateway`: what it writes into the settings file, and what programs read of it."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from atos.cli.main import main
from atos_protocol.settings import load_settings

OURS: dict[str, Any] = {"name": "ollama", "kind": "interactive", "port": 11434, "weight": 1.0}
WRITTEN = "ATOS_SEED=1\n# by atos-client gateway takeover\nATOS_OLLAMA_URL=http://127.0.0.1:11435\n"


def nothing(*_: object) -> None:
    pass


def ours(*_: object) -> dict[str, Any]:
    return OURS


def held_by_atos(*_: object) -> str:
    return "atos"


def the_clients(*_: object) -> dict[str, Any]:
    return {"clients": [OURS]}


def test_the_settings_file_stays_private_when_the_port_is_given_back(
    atos_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ATOS_OLLAMA_URL")
    load_settings().prepare()
    file = atos_home / ".env"
    file.write_text(WRITTEN)
    file.chmod(0o600)
    for name in ("ensure", "stop"):
        monkeypatch.setattr(f"atos.cli.gateway.{name}", nothing)
    monkeypatch.setattr("atos.cli.gateway.scheduler_call", ours)
    before = os.umask(0o022)
    try:
        assert main(["gateway", "restore"]) == 0
    finally:
        os.umask(before)
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("ATOS_SEED=1\n", 0o600)


@pytest.mark.usefixtures("atos_home")
def test_a_port_that_is_ours_already_is_told_to_programs_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("atos.cli.gateway._holder", held_by_atos)
    monkeypatch.setattr("atos.cli.gateway.scheduler_call", the_clients)
    assert main(["gateway", "takeover", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == OURS
