"""The sample goals judge rightly: their tests pass on the reference and fail on everything less."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from atos_orchestrator.debugging.stubs import stub_source
from bench.sample_goals import GOALS, HIDDEN_TEST, SOLUTIONS, SampleGoal, read_samples, variants
from doubles.pytest_in_folders import pytest_in_folders

SAMPLES = read_samples()


def reference(sample: SampleGoal) -> dict[str, str]:
    folder = SOLUTIONS / sample.id
    return {name: (folder / name).read_text(encoding="utf-8") for name in sample.modules}


def mutants(sample: SampleGoal) -> Iterator[dict[str, str]]:
    every = json.loads((SOLUTIONS / "mutants.json").read_text(encoding="utf-8"))
    files = reference(sample)
    for change in every[sample.id]:
        text = files[change["path"]]
        assert text.count(change["old"]) == 1, change
        yield files | {change["path"]: text.replace(change["old"], change["new"])}


def written(root: Path, sample: SampleGoal, what: str, files: dict[str, str]) -> Path:
    folder = root / f"{sample.id}-{what}"
    folder.mkdir()
    for name, text in {**files, HIDDEN_TEST: sample.tests}.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.mark.timeout(300)
def test_hidden_tests_pass_on_the_reference_and_fail_on_a_stub_and_on_two_mutants(
    tmp_path: Path,
) -> None:
    wanted: dict[Path, int] = {}
    for sample in SAMPLES:
        files = reference(sample)
        stub = {name: stub_source(text) for name, text in files.items()}
        wanted[written(tmp_path, sample, "reference", files)] = 0
        wanted[written(tmp_path, sample, "stub", stub)] = 1
        for number, mutant in enumerate(mutants(sample)):
            wanted[written(tmp_path, sample, f"mutant-{number}", mutant)] = 1
    codes = pytest_in_folders(list(wanted))
    found = {folder.name: code for folder, code in zip(wanted, codes, strict=True)}
    assert found == {folder.name: code for folder, code in wanted.items()}
    assert len(found) == 4 * len(SAMPLES)


def test_there_are_twelve_goals_and_six_of_them_also_without_examples() -> None:
    texts = variants(SAMPLES)
    assert len({variant.id for variant in texts}) == len(texts) == 18
    assert sum(sample.has_examples for sample in SAMPLES) == 6
    assert sum(variant.has_examples for variant in texts) == 6


def test_a_goal_names_every_file_that_it_is_judged_by() -> None:
    missing = [
        (variant.id, module)
        for variant in variants(SAMPLES)
        for module in variant.sample.modules
        if module not in variant.text
    ]
    assert missing == []


def test_the_file_says_what_was_changed_and_when() -> None:
    history = json.loads(GOALS.read_text(encoding="utf-8"))["history"]
    assert history
    assert all(line[:10].replace("-", "").isdigit() for line in history)
