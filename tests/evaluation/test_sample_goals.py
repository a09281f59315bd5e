"""The sample goals judge rightly: their tests pass on the reference and fail on everything less."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from atos_orchestrator.debugging.stubs import stub_source
from bench.sample_goals import (
    FRESH,
    FRESH_SOLUTIONS,
    GOALS,
    HIDDEN_TEST,
    SOLUTIONS,
    UNSEEN,
    UNSEEN_SOLUTIONS,
    SampleGoal,
    read_samples,
    variants,
)
from doubles.pytest_in_folders import pytest_in_folders


@dataclass(frozen=True, slots=True)
class GoalSet:
    """A file of goals with the folder of its reference solutions."""

    path: Path
    solutions: Path

    @property
    def samples(self) -> tuple[SampleGoal, ...]:
        return read_samples(self.path)

    def reference(self, sample: SampleGoal) -> dict[str, str]:
        folder = self.solutions / sample.id
        return {name: (folder / name).read_text(encoding="utf-8") for name in sample.modules}

    def mutants(self, sample: SampleGoal) -> Iterator[dict[str, str]]:
        every = json.loads((self.solutions / "mutants.json").read_text(encoding="utf-8"))
        files = self.reference(sample)
        for change in every[sample.id]:
            text = files[change["path"]]
            assert text.count(change["old"]) == 1, change
            yield files | {change["path"]: text.replace(change["old"], change["new"])}


SETS = (
    GoalSet(GOALS, SOLUTIONS),
    GoalSet(FRESH, FRESH_SOLUTIONS),
    GoalSet(UNSEEN, UNSEEN_SOLUTIONS),
)
each_set = pytest.mark.parametrize("goals", SETS, ids=lambda goals: goals.path.stem)


def written(root: Path, sample: SampleGoal, what: str, files: dict[str, str]) -> Path:
    folder = root / f"{sample.id}-{what}"
    folder.mkdir()
    for name, text in {**files, HIDDEN_TEST: sample.tests}.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    "goals",
    [SETS[0], *(pytest.param(each, marks=pytest.mark.long) for each in SETS[1:])],
    ids=[each.path.stem for each in SETS],
)
@pytest.mark.timeout(300)
def test_hidden_tests_pass_on_the_reference_and_fail_on_a_stub_and_on_two_mutants(
    tmp_path: Path, goals: GoalSet
) -> None:
    wanted: dict[Path, int] = {}
    for sample in goals.samples:
        files = goals.reference(sample)
        stub = {name: stub_source(text) for name, text in files.items()}
        wanted[written(tmp_path, sample, "reference", files)] = 0
        wanted[written(tmp_path, sample, "stub", stub)] = 1
        for number, mutant in enumerate(goals.mutants(sample)):
            wanted[written(tmp_path, sample, f"mutant-{number}", mutant)] = 1
    codes = pytest_in_folders(list(wanted))
    found = {folder.name: code for folder, code in zip(wanted, codes, strict=True)}
    assert found == {folder.name: code for folder, code in wanted.items()}
    assert len(found) == 4 * len(goals.samples)


@each_set
def test_there_are_twelve_goals_and_six_of_them_also_without_examples(goals: GoalSet) -> None:
    texts = variants(goals.samples)
    assert len({variant.id for variant in texts}) == len(texts) == 18
    assert sum(sample.has_examples for sample in goals.samples) == 6
    assert sum(variant.has_examples for variant in texts) == 6


@each_set
def test_a_goal_names_every_file_that_it_is_judged_by(goals: GoalSet) -> None:
    missing = [
        (variant.id, module)
        for variant in variants(goals.samples)
        for module in variant.sample.modules
        if module not in variant.text
    ]
    assert missing == []


@each_set
def test_the_file_says_what_was_changed_and_when(goals: GoalSet) -> None:
    history = json.loads(goals.path.read_text(encoding="utf-8"))["history"]
    assert history
    assert all(line[:10].replace("-", "").isdigit() for line in history)


def test_no_goal_is_in_two_sets() -> None:
    ids = [sample.id for goals in SETS for sample in goals.samples]
    assert len(set(ids)) == len(ids)
