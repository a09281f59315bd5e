"""Recording replies: what is asked once is never asked again, whenever the recording is killed."""

from pathlib import Path

import pytest

from atos_orchestrator.agents import prompts
from atos_orchestrator.agents.model_request import ModelRequest
from bench import record_replies
from bench.embedded_model import recorded
from bench.humaneval import Problem, read_problems
from bench.record_replies import record
from bench.recorded import RecordedReply, Recording, read_lines, read_recording
from bench.recorded_requests import requests_of

PROBLEMS = [
    Problem(f"HumanEval/{n}", f"f{n}", f"def f{n}(x: int) -> int:", f"Return x + {n}.")
    for n in range(4)
]
CALLS = len(requests_of(PROBLEMS[0]))


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def cut_short(path: Path, by: int) -> None:
    path.write_bytes(path.read_bytes()[:-by])


class KilledError(Exception):
    """The recorder's process ends here."""


class ScriptedModel:
    """Answers with what it was asked to begin with; is killed before one of its answers."""

    def __init__(self, killed_before: int = -1) -> None:
        self.asked: list[ModelRequest] = []
        self._killed_before = killed_before

    async def __call__(self, request: ModelRequest) -> RecordedReply:
        if len(self.asked) == self._killed_before:
            raise KilledError
        self.asked.append(request)
        return RecordedReply(request.role, request.seed, f"{request.begin}…", False, 90, 10, 5, 0.5)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "replies.jsonl.gz"


@pytest.mark.parametrize("killed_before", [0, 1, CALLS, 2 * CALLS + 3, 4 * CALLS - 1])
async def test_a_killed_recording_goes_on_where_it_was_and_ends_the_same(
    out: Path, tmp_path: Path, killed_before: int
) -> None:
    whole = tmp_path / "whole.jsonl.gz"
    await record(PROBLEMS, Recording(whole), "m", ScriptedModel())
    with pytest.raises(KilledError):
        await record(PROBLEMS, Recording(out), "m", ScriptedModel(killed_before))
    assert names_in(tmp_path) == [*([f"{out.name}.part"] * (killed_before >= CALLS)), whole.name]
    model = ScriptedModel()
    asked = await record(PROBLEMS, Recording(out), "m", model)
    assert asked == len(PROBLEMS) - killed_before // CALLS
    assert len(model.asked) == asked * CALLS
    assert read_lines(out) == read_lines(whole)
    assert names_in(tmp_path) == [out.name, whole.name]


async def test_a_line_that_a_kill_cut_off_is_asked_again(out: Path) -> None:
    with pytest.raises(KilledError):
        await record(PROBLEMS, Recording(out), "m", ScriptedModel(2 * CALLS))
    cut_short(out.with_name(f"{out.name}.part"), by=7)
    assert await record(PROBLEMS, Recording(out), "m", ScriptedModel()) == 3
    assert [found.problem for found in read_recording(out)] == PROBLEMS


async def test_more_problems_are_added_to_a_finished_recording(out: Path) -> None:
    await record(PROBLEMS[:2], Recording(out), "m", ScriptedModel())
    assert await record(PROBLEMS, Recording(out), "m", ScriptedModel()) == 2
    assert await record(PROBLEMS, Recording(out), "m", ScriptedModel()) == 0
    assert [found.problem for found in read_recording(out)] == PROBLEMS


async def test_a_changed_prompt_is_asked_anew(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await record(PROBLEMS[:1], Recording(out), "m", ScriptedModel())
    monkeypatch.setattr(prompts, "SYSTEM", "You are somebody else.")
    model = ScriptedModel()
    assert await record(PROBLEMS[:1], Recording(out), "m", model) == 1
    assert model.asked[0].messages[0]["content"] == "You are somebody else."


def test_the_requests_of_a_problem_begin_alike_and_differ_in_seed_and_end() -> None:
    requests = requests_of(PROBLEMS[0])
    users = [request.messages[1]["content"] for request in requests]
    about = users[0].rpartition("\n\n")[0]
    assert all(user.startswith(about) for user in users)
    assert PROBLEMS[0].text in about
    assert [r.role for r in requests] == ["coder"] * 5 + ["tester"] * 3
    assert len({r.seed for r in requests}) == len(requests)
    assert [r.temperature for r in requests] == [0.0, *[0.8] * 4, 0.0, *[0.8] * 2]


def test_a_reply_is_kept_with_its_beginning_and_its_costs() -> None:
    request = requests_of(PROBLEMS[0])[0]
    found = {
        "content": "    return x\n",
        "stop_type": "limit",
        "timings": {
            "prompt_n": 7, "cache_n": 80, "predicted_n": 4, "prompt_ms": 100.0, "predicted_ms": 400.0,
        },
    }  # fmt: skip
    assert recorded(request, found) == RecordedReply(
        role="coder", seed=0, text="```python\ndef f0(x: int) -> int:\n    return x\n", cut=True,
        read=7, reused=80, tokens=4, seconds=0.5,
    )  # fmt: skip


def test_another_data_set_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "HumanEval.jsonl.gz"
    path.write_bytes(b"something else")
    with pytest.raises(ValueError, match="sha256"):
        read_problems(path, record_replies.PROBLEMS)
