"""A goal with general models behind Ollama's API: planned, written by several, judged by agreement.

The models are a fake that answers by role; daemons, scheduler, sandbox and git are real.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from doubles.fake_ollama import FakeOllama
from doubles.installation import Installation, pytest_by_hand
from doubles.price_tracker import GOAL, price_models

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def ollama() -> Iterator[FakeOllama]:
    with price_models() as fake:
        yield fake


def test_a_goal_is_planned_and_written_by_the_models_that_are_pulled(
    ollama: FakeOllama,
) -> None:
    atos = Installation(ATOS_OLLAMA_URL=ollama.url)
    try:
        result, events = atos.build(GOAL)
    finally:
        atos.run("down")
    told = [(e["kind"], e["data"]) for e in events]
    assert (result["exit"], result["state"]) == (0, "success"), told
    assert result["engine"] == "ollama"
    assert set(result["models"]) <= {m.name for m in ollama.models}
    assert [(t["id"], t["state"], t["proof"]) for t in result["tasks"]] == [
        ("T1", "done", "agreed"),
        ("T2", "done", "agreed"),
    ]
    assert all("candidates pass" in t["evidence"] for t in result["tasks"])
    assert not [d for kind, d in told if kind == "announcement"], "atos-mini was not asked"
    assert {body.get("truncate") for body in ollama.bodies if body.get("messages")} == {False}
    by_hand = pytest_by_hand(Path(result["repository"]))
    assert by_hand.returncode == 0, by_hand.stdout
    atos.close()
