"""Daemons and clients of different versions: said in one sentence, and settled by one command."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from atos.cli.daemons import version_lines
from atos_protocol.versions import SETTLE, installed, mismatch, replacement
from doubles.installation import Installation

NEWER = "9.9.9"


@pytest.fixture
def atos() -> Iterator[Installation]:
    installation = Installation()
    yield installation
    installation.close()


def upgrade(atos: Installation) -> None:
    """Have whoever starts from now on find a newer version installed."""
    folder = atos.person / "newer"
    metadata = folder / f"atos-{NEWER}.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: atos\nVersion: {NEWER}\n")
    atos.environment["PYTHONPATH"] = os.fspath(folder)


@pytest.mark.timeout(240)
def test_an_upgrade_is_told_and_up_settles_it_and_a_goal_goes_on(atos: Installation) -> None:
    started = atos.run("build", "--detach", "--json", "Write a Python function to add two numbers")
    goal = json.loads(started.stdout)["id"]
    upgrade(atos)

    told = atos.run("status").stdout
    up = atos.run("up", timeout=120).stdout
    watched = atos.run("watch", goal, "--json", timeout=120)
    seen = json.loads(atos.run("status", "--json").stdout)

    assert "different versions run together: this client 9.9.9, servers 0." in told
    assert SETTLE in told
    assert up.startswith(f"restarted, to run version {NEWER}: servers, scheduler\n")
    assert json.loads(watched.stdout.splitlines()[-1])["state"] == "success"
    assert (seen["host"]["version"], seen["host"]["worker"]["version"]) == (NEWER, NEWER)
    assert seen["scheduler"]["version"] == NEWER


def test_what_is_unknown_is_no_mismatch_and_what_is_known_is_named() -> None:
    assert mismatch({"this client": "1.0", "servers": "1.0", "worker": ""}) == ""
    assert mismatch({"servers": "1.0", "scheduler": "1.1"}) == (
        "different versions run together: servers 1.0, scheduler 1.1"
    )
    assert version_lines({"host": None, "scheduler": None}) == []


def test_a_process_notices_what_is_installed_over_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (replacement(), installed()) == ("", installed())
    metadata = tmp_path / f"atos-{NEWER}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: atos\nVersion: {NEWER}\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])

    assert replacement() == NEWER
