"""The commands take a goal by its name: against a real host, whose tools know ids only."""

from collections.abc import Generator

import pytest

from atos.cli.main import main
from doubles.host_process import HostProcess, host_process
from doubles.page_browser import written_goal

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def host() -> Generator[HostProcess]:
    with host_process() as host:
        host.ensure()
        for name, text in (
            ("k1aaa", "Build a parser"),
            ("k1bbb", "Build a parser"),
            ("k2ccc", "Sort names"),
        ):
            written_goal(host, name, text).end()
        yield host


@pytest.mark.parametrize(
    "words", [["status", "names"], ["explain", "k2c"], ["logs", "sort"], ["debug", "names/T30"]]
)
def test_a_command_takes_a_goal_by_a_part_of_its_name(
    host: HostProcess, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 0
    assert capsys.readouterr().err == ""


def test_two_goals_of_one_name_are_told_apart_by_their_ids(
    host: HostProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    codes = [main([command, "parser"]) for command in ("status", "cancel", "watch", "retry")]
    told = capsys.readouterr().err
    assert (0 in codes, told.count("may be any of 2 goals"), told.count("k1aaa"), told.count("k1bbb")) == (
        False, 4, 4, 4,
    )  # fmt: skip


def test_a_wrong_id_is_answered_with_the_goals_there_are(
    host: HostProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["open", "nobody"]) != 0
    told = capsys.readouterr().err
    assert [
        name for name in ("k1aaa", "k1bbb", "k2ccc", "atos-client status") if name not in told
    ] == []
