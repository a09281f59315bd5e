"""What the doctor finds, on a real installation."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from atos.cli.doctor import daemons, disk
from atos_protocol.settings import load_settings
from doubles.installation import Installation
from doubles.scripted_host import ScriptedHost

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module")
def atos() -> Iterator[Installation]:
    installation = Installation()
    yield installation
    installation.close()


def test_it_names_rung_models_and_what_to_do_next(atos: Installation) -> None:
    done = atos.run("doctor", "--json")
    found = {finding["what"]: finding for finding in json.loads(done.stdout)}
    assert done.returncode == 0
    assert {w: f["state"] for w, f in found.items() if w in {"system", "git", "daemons", "sandbox"}} == {
        "system": "ok", "git": "ok", "daemons": "ok", "sandbox": "ok",
    }  # fmt: skip
    assert found["sandbox"]["detail"].split(":")[0] in {"bwrap", "landlock", "seccomp"}
    assert found["models"]["todo"].startswith("atos-client models pull ")
    assert "qwen2.5-coder:0.5b" in found["would fit"]["detail"]


def test_the_disk_of_a_home_that_is_still_to_be_made_is_that_of_the_folder_above(
    tmp_path: Path,
) -> None:
    settings = load_settings({"HOME": str(tmp_path), "ATOS_HOME": str(tmp_path / "a" / "b" / "c")})
    assert "free for" in disk(settings).detail


def test_a_port_that_is_taken_is_a_line_of_the_report(
    atos_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(*_: object) -> dict[str, Any]:
        return {}

    monkeypatch.setattr("atos.cli.doctor.scheduler_status", nothing)
    settings = load_settings()
    taken = "port 8756 can't be used: Address already in use"
    with ScriptedHost(settings.servers_socket, {}) as host:
        host.status |= {"http": {"url": None, "error": taken, "bridge": None}, "worker": {}}
        found = {finding.what: finding for finding in daemons(settings)}
    assert (found["http"].state, found["http"].detail) == ("missing", f"off: {taken}")


def test_it_says_what_is_broken_and_exits_1() -> None:
    broken = Installation(ATOS_GGUF="/nowhere/one.gguf:/elsewhere/one.gguf")
    try:
        done = broken.run("doctor")
        assert done.returncode == 1
        assert "✗ scheduler" in done.stdout
        assert "two models 'one'" in done.stdout
    finally:
        broken.close()
