"""`atos-client trace` and `logs GOAL`: what they print of a goal, for people or for programs."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from atos.cli.main import main
from atos.tracing.spans import spans_of
from atos_protocol.settings import load_settings
from doubles.eventful_goal import events
from doubles.scripted_host import ScriptedHost


def wait_goal(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    news = [asdict(event) for event in events() if event.seq > arguments["after_seq"]]
    return {"events": news, "seq": news[-1]["seq"] if news else arguments["after_seq"]}


def test_what_it_prints_for_programs_is_the_trace(
    atos_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ScriptedHost(load_settings().servers_socket, {"wait_goal": wait_goal}):
        assert main(["trace", "g1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["goal"] == events()[0].goal
    assert [span["id"] for span in found["trace"]] == [span.id for span in spans_of(events())]


def test_the_log_of_a_goal_shows_the_numbers_that_its_story_names(
    atos_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ScriptedHost(load_settings().servers_socket, {"wait_goal": wait_goal}):
        assert main(["logs", "g1"]) == 0
    shown = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert shown == [f"#{event.seq}" for event in events()]
