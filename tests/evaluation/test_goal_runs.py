"""The runs of real-goals: resumable, judged by hidden tests, and told as they are."""

from dataclasses import replace
from pathlib import Path

import anyio.lowlevel
import pytest

from atos_orchestrator.debugging.stubs import stub_source
from bench.bare_arm import files_in, messages_of
from bench.goal_judge import HiddenTests
from bench.goal_runs import Arm, Costs, Delivery, GoalRun, RunFile, current, digest_of
from bench.goal_table import goal_by_goal, table
from bench.real_goals import Wanted, run_missing
from bench.sample_goals import SOLUTIONS, GoalVariant, read_samples, variants

TEXTS = variants(read_samples())
ROMAN = next(variant for variant in TEXTS if variant.id == "roman")
SOLUTION = {"roman.py": (SOLUTIONS / "roman" / "roman.py").read_text(encoding="utf-8")}
STUB = {"roman.py": stub_source(SOLUTION["roman.py"])}


class KilledError(Exception):
    """The benchmark's process ends here."""


async def judge(arm: Arm, variant: GoalVariant, seed: int, delivery: Delivery) -> GoalRun:
    digest = digest_of(variant)
    return GoalRun("m", arm, variant.id, seed, digest, "wrong", delivery, reachable=False)


class ScriptedArms:
    """Delivers the same whatever is asked; is killed before one of its answers."""

    def __init__(self, killed_before: int = -1) -> None:
        self.asked: list[tuple[Arm, str, int]] = []
        self._killed_before = killed_before

    async def __call__(self, arm: Arm, variant: GoalVariant, seed: int) -> Delivery:
        if len(self.asked) == self._killed_before:
            raise KilledError
        self.asked.append((arm, variant.id, seed))
        return Delivery({"a.py": "x = 1\n"}, "delivered", 2.0, Costs(10, 5, 1), candidates=({},))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "m.jsonl"


@pytest.mark.parametrize("killed_before", [0, 1, 5, 11])
async def test_a_killed_benchmark_runs_only_what_is_missing(path: Path, killed_before: int) -> None:
    wanted = Wanted(TEXTS[:3], ("bare", "atos"), seeds=2)
    every = [(arm, variant.id, seed) for arm, variant, seed in wanted.missing(RunFile(path))]
    first, second = ScriptedArms(killed_before), ScriptedArms()
    with pytest.RaisesGroup(KilledError):
        await run_missing(wanted, RunFile(path), first, judge)
    await run_missing(wanted, RunFile(path), second, judge)
    assert first.asked + second.asked == every
    assert len(every) == 12
    assert wanted.missing(RunFile(path)) == []


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b'{"model": "m", "arm"')


async def test_what_is_read_back_is_what_was_kept_without_a_line_that_was_cut_off(
    path: Path,
) -> None:
    file = RunFile(path)
    await run_missing(Wanted(TEXTS[:2], ("bare",), 1), file, ScriptedArms(), judge)
    cut_off(path)
    again = RunFile(path)
    assert again.runs == file.runs
    assert len(again.runs) == 2
    await run_missing(Wanted(TEXTS[:3], ("bare",), 1), again, ScriptedArms(), judge)
    assert len(RunFile(path).runs) == 3


async def test_runs_beside_others_are_never_more_than_wanted_and_say_so(path: Path) -> None:
    at_work, most = 0, 0

    async def ask(arm: Arm, variant: GoalVariant, seed: int) -> Delivery:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        await anyio.lowlevel.checkpoint()
        at_work -= 1
        return Delivery({}, "failed", 2.0)

    await run_missing(Wanted(TEXTS[:5], ("bare",), 2), RunFile(path), ask, judge, at_once=3)
    assert most == 3
    runs = RunFile(path).runs
    assert [run.at_once for run in runs] == [3] * 10
    assert " | - | " in table(runs, TEXTS[:5])[2]  # their seconds say nothing


def test_a_goal_whose_tests_were_changed_is_run_anew(path: Path) -> None:
    file = RunFile(path)
    run = GoalRun(
        "m", "bare", ROMAN.id, 0, digest_of(ROMAN), "solved", Delivery({}, "delivered", 1), True
    )
    file.add(run)
    changed = GoalVariant(replace(ROMAN.sample, tests=f"{ROMAN.sample.tests}\n"))
    assert Wanted([ROMAN], ["bare"], 1).missing(file) == []
    assert Wanted([changed], ["bare"], 1).missing(file) == [("bare", changed, 0)]
    assert (current([run], [ROMAN]), current([run], [changed])) == ([run], [])


@pytest.mark.timeout(120)
async def test_hidden_tests_decide_about_what_was_delivered_and_about_candidates() -> None:
    tests = HiddenTests("m")
    right = await tests("bare", ROMAN, 0, Delivery(SOLUTION, "delivered", 1.0))
    wrong = await tests("atos", ROMAN, 0, Delivery(STUB, "delivered", 1.0, candidates=(SOLUTION,)))
    asked = await tests("atos", ROMAN, 0, Delivery({}, "asked", 1.0, candidates=(STUB,)))
    assert (right.outcome, right.reachable, right.failures) == ("solved", True, "")
    assert (wrong.outcome, wrong.reachable) == ("wrong", True)
    assert "test_both_ways" in wrong.failures
    assert (asked.outcome, asked.reachable, asked.failures) == ("asked", False, "no files")


async def test_a_missing_module_is_no_delivery() -> None:
    rpn = next(variant for variant in TEXTS if variant.id == "rpn")
    assert await HiddenTests("m").failures(rpn.sample, {"rpn.py": ""}) == "stack.py missing"


@pytest.mark.parametrize(
    ("reply", "files"),
    [
        ("Sure!\n```python\nx = 1\n```\nIt is used so:\n```python\nx\n```", {"a.py": "x = 1\n"}),
        ("```python\nx = 1\n", {"a.py": "x = 1\n"}),
        ("x = 1", {}),
        ("", {}),
    ],
)
def test_a_bare_reply_is_read_leniently(reply: str, files: dict[str, str]) -> None:
    assert files_in(reply, ["a.py"]) == files


def test_a_bare_reply_of_two_files_needs_both() -> None:
    both = "stack.py\n```python\nx = 1\n```\nrpn.py\n```python\ny = 2\n```"
    assert files_in(both, ["stack.py", "rpn.py"]) == {"stack.py": "x = 1\n", "rpn.py": "y = 2\n"}
    assert files_in(both, ["stack.py", "other.py"]) == {}


def test_no_prompt_holds_anything_of_the_hidden_tests() -> None:
    for variant in TEXTS:
        prompt = "".join(message["content"] for message in messages_of(variant))
        assert variant.text in prompt
        checks = [
            line.strip()
            for line in variant.sample.tests.splitlines()
            if line.strip().startswith(("assert ", "def test_"))
        ]
        assert [line for line in checks if line in prompt] == []
        assert len(checks) > 3


def test_the_tables_count_what_became_of_each_goal() -> None:
    def run(arm: Arm, outcome: str, seed: int, proof: str = "") -> GoalRun:
        state = "delivered" if outcome in {"solved", "wrong"} else outcome
        delivery = Delivery({}, state, 10.0 + seed, Costs(1, 100, 2), proof)  # pyright: ignore[reportArgumentType]
        return GoalRun("m", arm, ROMAN.id, seed, "", outcome, delivery, outcome == "solved")  # pyright: ignore[reportArgumentType]

    runs = [
        run("bare", "wrong", 0),
        run("bare", "solved", 1),
        run("atos", "asked", 1),
        run("atos", "solved", 0, "examples: 3 of 3 examples"),
    ]
    lines = table(runs, TEXTS)
    assert lines[2:] == [
        f"| {group} | {rest}"
        for group in ("all twelve", "with examples")
        for rest in (
            "bare | 2 | 50 [9-91] | 1 | 1 | 0 | 0 | 1 | 10 | 100 | 2.0 |",
            "atos | 2 | 50 [9-91] | 1 | 0 | 1 | 0 | 1 | 10 | 100 | 2.0 |",
        )
    ]
    assert goal_by_goal(runs, TEXTS) == [
        "| goal | bare | atos | claimed as proof |",
        "|---|---|---|---|",
        "| roman | wrong solved | solved asked | examples: 3 of 3 examples |",
    ]
