"""Logs are followed as they grow: whole lines only, also past the moment at which the file is emptied in place."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from atos.cli.log_files import GrowingLog, follow, tail
from atos.cli.main import main
from atos_protocol.settings import Settings, load_settings


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("ATOS_HOME", str(tmp_path / "home"))
    found = load_settings()
    found.prepare()
    return found


def add(settings: Settings, text: str, name: str = "worker") -> None:
    with (settings.logs / f"{name}.log").open("a") as log:
        log.write(text)


def test_the_end_of_a_log_is_its_last_lines(settings: Settings) -> None:
    assert tail(settings, "worker", 2) == []
    add(settings, "one\ntwo\nthree\n")
    assert tail(settings, "worker", 2) == ["two", "three"]
    assert tail(settings, "worker", 0) == []


def test_only_what_comes_after_the_first_look_is_new_and_only_whole_lines(
    settings: Settings,
) -> None:
    add(settings, "old\n")
    log = GrowingLog(settings, "worker")
    assert log.new_lines() == []
    add(settings, "half a li")
    assert log.new_lines() == []
    add(settings, "ne\nanother\n")
    assert log.new_lines() == ["half a line", "another"]


def test_a_log_that_was_put_aside_is_followed_from_its_new_beginning(settings: Settings) -> None:
    add(settings, "x" * 100 + "\n")
    log = GrowingLog(settings, "worker")
    (settings.logs / "worker.log").write_text("after\n")
    assert log.new_lines() == ["after"]


def test_a_log_that_does_not_exist_yet_is_followed_from_its_first_line(settings: Settings) -> None:
    log = GrowingLog(settings, "scheduler")
    assert log.new_lines() == []
    add(settings, "first\n", "scheduler")
    assert log.new_lines() == ["first"]


def test_a_log_that_is_followed_is_json_line_by_line_where_that_is_asked_for(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def followed(*_: object) -> Iterator[tuple[str, str]]:
        yield "worker", "after"

    add(settings, "before\n")
    monkeypatch.setattr("atos.cli.log_files.follow", followed)
    assert main(["logs", "worker", "--follow", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines == [{"worker": ["before"]}, {"worker": ["after"]}]


def test_a_line_without_end_is_shown_in_pieces(settings: Settings) -> None:
    log = GrowingLog(settings, "worker")
    add(settings, "y" * 100_000)
    assert log.new_lines() == ["y" * 100_000]


@pytest.mark.timeout(60)
def test_several_logs_are_followed_at_once(settings: Settings) -> None:
    following = follow(settings, ["worker", "servers"])
    writer = threading.Timer(0.05, add, (settings, "hello\n", "servers"))
    writer.start()
    assert next(following) == ("servers", "hello")
    writer.join()
