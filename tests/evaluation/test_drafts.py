"""Candidates are read while a goal runs, because its private folder goes when it ends."""

import shutil
from pathlib import Path

from bench.drafts import MOST, Drafts


def written(home: Path, task: str, number: int, **files: str) -> None:
    folder = home / "worktrees" / "g1" / task / ".atos" / f"candidate-{number}"
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")


def test_every_version_that_was_ever_there_is_a_candidate(tmp_path: Path) -> None:
    drafts = Drafts(tmp_path, "g1")
    drafts.look()
    assert drafts.candidates(["a.py"]) == ()
    written(tmp_path, "T1", 0, a="x = 0\n")
    drafts.look()
    written(tmp_path, "T1", 1, a="x = 1\n")
    written(tmp_path, "T1", 2, a="x = 0\n")
    drafts.look()
    shutil.rmtree(tmp_path / "worktrees")
    drafts.look()
    assert drafts.candidates(["a.py"]) == ({"a.py": "x = 0\n"}, {"a.py": "x = 1\n"})


def test_files_of_several_tasks_are_combined_up_to_a_bound(tmp_path: Path) -> None:
    for number in range(9):
        written(tmp_path, "T1", number, a=f"a = {number}\n")
        written(tmp_path, "T2", number, b=f"b = {number}\n")
    drafts = Drafts(tmp_path, "g1")
    drafts.look()
    found = drafts.candidates(["a.py", "b.py"])
    assert found[1] == {"a.py": "a = 0\n", "b.py": "b = 1\n"}
    assert len(found) == MOST
    assert drafts.candidates(["a.py", "c.py"]) == ()
