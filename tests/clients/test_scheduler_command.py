"""`atos-client scheduler`: decisions as lines, against a scheduler that runs."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from atos.cli.main import main
from atos.scheduler_client import SchedulerClient
from atos_protocol.daemons import stop
from atos_protocol.scheduler_api import Demand
from atos_protocol.settings import load_settings

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def home(atos_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("ATOS_SIMULATE", "1")
    yield atos_home
    stop("scheduler", load_settings())


@pytest.mark.usefixtures("home")
def test_all_models_are_paused_and_resumed_by_the_schedulers_own_commands(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["scheduler", "pause"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "go on: atos-client scheduler resume"
    assert main(["scheduler", "resume"]) == 0
    assert capsys.readouterr().out == "models are loaded again\n"


def test_pause_is_of_a_goal_and_says_where_the_models_pause_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["pause"])
    assert ended.value.code == 2
    assert "the following arguments are required: GOAL" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["pause", "--help"])
    assert "models: `scheduler pause`" in " ".join(capsys.readouterr().out.split())


@pytest.mark.usefixtures("home")
async def test_decisions_are_listed_explained_and_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    hi = [{"role": "user", "content": "hi"}]
    async with SchedulerClient(load_settings()) as client:
        answer = await client.chat("atos/simple", hi, demand=Demand(goal="g1", task="T1"))
    assert main(["scheduler", "decisions", "--json", answer.model]) == 0
    first = json.loads(capsys.readouterr().out)["decisions"][0]
    assert main(["scheduler", "explain", str(first["seq"])]) == 0
    assert f"* {answer.model}: absent" in capsys.readouterr().out
    assert main(["scheduler", "receipt", "g1"]) == 0
    assert capsys.readouterr().out.startswith("g1: 1 swap, ")
    assert main(["scheduler", "receipt", "nobody"]) == 2
    assert "goal nobody has asked for no model lately" in capsys.readouterr().err
