"""The name by which a worker knows what earlier workers of its home left."""

from dataclasses import replace
from pathlib import Path

import pytest

from atos_orchestrator.execution import worker_name as module
from atos_orchestrator.execution.worker_name import worker_name
from atos_protocol.settings import load_settings


def test_workers_of_a_home_keep_their_name_when_machine_or_folder_are_renamed(
    atos_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_settings()
    settings.prepare()
    first = worker_name(settings)

    monkeypatch.setattr(module.socket, "gethostname", lambda: "renamed-by-its-network")
    moved = replace(settings, home=atos_home.rename(atos_home.with_name("moved")))

    assert worker_name(moved) == first
    assert str(settings.home) in first


def test_workers_of_two_homes_have_two_names(tmp_path: Path, atos_home: Path) -> None:
    here = load_settings()
    there = replace(here, home=tmp_path / "there")
    for settings in (here, there):
        settings.prepare()

    assert worker_name(here) != worker_name(there)


def test_a_home_that_can_not_be_written_has_a_name_all_the_same(atos_home: Path) -> None:
    settings = load_settings()
    assert not settings.state.exists()

    assert worker_name(settings).endswith(f":{settings.home}")
