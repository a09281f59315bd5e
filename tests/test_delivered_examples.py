"""Repositories that goals delivered are kept as they came out: their own tests pass, and nothing of the machine is in them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "docs" / "examples" / "delivered"
DELIVERED = sorted(path for path in FOLDER.iterdir() if path.is_dir())


def test_two_are_kept_each_with_its_log_and_its_story() -> None:
    assert len(DELIVERED) == 2
    for path in DELIVERED:
        assert path.with_name(f"{path.name}.log.txt").read_text("utf-8").strip()
        assert "what happened" in path.with_name(f"{path.name}.story.txt").read_text("utf-8")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("path", DELIVERED, ids=lambda path: path.name)
def test_the_tests_of_a_delivered_repository_pass_where_it_stands(
    path: Path, tmp_path: Path
) -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(path),
    ]
    done = subprocess.run(
        command, cwd=path, capture_output=True, text=True, check=False, timeout=100,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
    (passed,) = re.findall(r"(\d+) passed", done.stdout)
    assert f"{passed} passed, 0 failed" in (path / "README.md").read_text("utf-8")


def test_nothing_of_the_machine_that_made_them_is_in_them() -> None:
    for path in (each for each in FOLDER.rglob("*") if each.is_file()):
        found = re.findall(r"/(?:home|root|tmp|work)/[\w.-]+", path.read_text("utf-8"))
        assert found == [], path
