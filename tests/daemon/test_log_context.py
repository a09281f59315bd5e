"""Lines of a log say what they are about, in text and in JSON, and those about a pool are in its own file too."""

import json
import logging
import sys
from pathlib import Path

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from inline_snapshot import snapshot

from atos_daemon.daemon_log import formatter_of
from atos_daemon.log_context import fields_of, log_about
from atos_daemon.pool_logs import PoolLogs
from atos_protocol.redaction import learn


def record(text: str, *arguments: object) -> logging.LogRecord:
    made = logging.LogRecord("atos.part", logging.INFO, __file__, 1, text, arguments, None)
    made.created, made.msecs = 1_700_000_000.25, 250
    return made


def test_a_line_of_text_ends_with_what_it_is_about() -> None:
    text = formatter_of("text", "worker")
    with log_about(goal="g1"), log_about(task="T2", pool="simple"):
        inside = text.format(record("step %s", "x"))
    assert inside.partition("INFO ")[2] == "atos.part: step x [g1/T2 simple]"
    assert text.format(record("ready")).endswith("atos.part: ready")


def test_a_line_of_json_is_one_object_without_secrets() -> None:
    learn(["c4n4ry0123456789"])
    made = record("key %s\nsecond line", "c4n4ry0123456789")
    try:
        raise ValueError("c4n4ry0123456789")
    except ValueError:
        made.exc_info = sys.exc_info()
    with log_about(goal="g1", task="T2"):
        line = formatter_of("json", "worker").format(made)
    assert "\n" not in line
    found = json.loads(line)
    assert found.pop("error").endswith("ValueError: ***")
    assert found == snapshot(
        {
            "at": "2023-11-14T22:13:20.250+00:00",
            "level": "INFO",
            "logger": "atos.part",
            "process": "worker",
            "message": "key ***\nsecond line",
            "goal": "g1",
            "task": "T2",
        }
    )


async def test_what_lines_are_about_follows_the_code_into_tasks_and_threads() -> None:
    found: list[dict[str, str]] = []

    def look() -> None:
        found.append(fields_of(record("x")))

    async def work(task: str) -> None:
        with log_about(task=task):
            await anyio.lowlevel.checkpoint()
            await anyio.to_thread.run_sync(look)

    with log_about(goal="g1"):
        async with anyio.create_task_group() as tasks:
            for name in ("T1", "T2"):
                tasks.start_soon(work, name)
    look()
    assert sorted(found, key=str) == [
        {"goal": "g1", "task": "T1"}, {"goal": "g1", "task": "T2"}, {},
    ]  # fmt: skip


def test_lines_about_a_pool_are_in_its_own_file_which_others_cannot_read(tmp_path: Path) -> None:
    pools = PoolLogs(tmp_path, formatter_of("text", "scheduler"))
    pools.emit(record("about nothing"))
    for name in ("simple", "medium", "../../escape"):
        with log_about(pool=name):
            pools.emit(record("asked"))
    pools.close()
    assert {path.name: path.read_text().partition("part: ")[2] for path in tmp_path.iterdir()} == {
        "pool-simple.log": "asked [simple]\n", "pool-medium.log": "asked [medium]\n",
    }  # fmt: skip
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_a_pools_file_stays_small_while_it_is_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atos_daemon.pool_logs.LOG_BYTES", 1000)
    pools = PoolLogs(tmp_path, formatter_of("text", "scheduler"))
    with log_about(pool="simple"):
        for number in range(200):
            pools.emit(record("line %d", number))
    pools.close()
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert set(sizes) == {"pool-simple.log", "pool-simple.log.1"}
    assert max(sizes.values()) <= 1000
    assert "line 199" in (tmp_path / "pool-simple.log").read_text()
