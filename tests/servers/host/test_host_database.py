"""The host while its database is away: it lives on, says so, and is whole again by itself."""

from collections.abc import Iterator
from typing import Any

import pytest

from atos.cli.daemons import status_lines
from atos.cli.doctor import database
from atos.cli.host_connection import HostClient
from atos_protocol.errors import UnreachableError
from doubles.host_process import HostProcess, host_process

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def host() -> Iterator[HostProcess]:
    with host_process() as host:
        yield host


def test_while_the_file_is_away_calls_are_refused_and_status_and_doctor_say_why(
    host: HostProcess,
) -> None:
    pid = host.ensure()
    client = HostClient(host.settings, "orchestrate")
    none = client.call("list_goals", {})
    before = host.until(lambda status: status["worker"]["state"] == "up", seconds=60)
    file = host.settings.state / "atos.sqlite"
    elsewhere = file.with_name("elsewhere")
    file.rename(elsewhere)
    with pytest.raises(UnreachableError, match=r"the goals database is away since .* is gone"):
        client.call("list_goals", {})
    away = host.until(lambda status: status["worker"]["database"])
    elsewhere.rename(file)
    back = host.until(lambda status: status["database"]["state"] == "ok", seconds=10)
    again = client.call("list_goals", {})
    client.close()

    assert none == again == {"goals": [], "cursor": ""}
    assert away["database"]["state"] == away["worker"]["database"]["state"] == "degraded"
    (finding,) = database(away)
    assert (finding.state, finding.what) == ("broken", "database")
    assert "goals wait" in finding.detail
    lines = status_lines({"home": "h", "host": away, "scheduler": None, "goals": []}, host.settings)
    assert any(line.startswith("database   away since") for line in lines)
    assert pid == back["pid"]
    assert worker_of(before) == worker_of(back)


def worker_of(status: dict[str, Any]) -> tuple[int, int]:
    return status["worker"]["pid"], status["worker"]["restarts"]


def test_a_host_that_finds_no_usable_database_lives_on_until_there_is_one(
    host: HostProcess,
) -> None:
    host.settings.prepare()
    file = host.settings.state / "atos.sqlite"
    file.write_bytes(b"a letter" * 1000)
    pid = host.ensure()
    client = HostClient(host.settings, "orchestrate")
    with pytest.raises(UnreachableError, match="not a database"):
        client.call("list_goals", {})
    away = host.until(lambda status: status["worker"]["database"], seconds=60)
    letter = file.read_bytes()
    file.unlink()
    up = host.until(lambda status: status["worker"]["state"] == "up", seconds=60)
    goals = client.call("list_goals", {})
    client.close()

    assert letter == b"a letter" * 1000
    assert away["database"]["state"] == "degraded"
    assert (up["pid"], goals["goals"]) == (pid, [])
    assert worker_of(up) == worker_of(away)
