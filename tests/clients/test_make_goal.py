"""`make goal` hands any goal over exactly as it was typed."""

import json
import stat
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
ECHO = """#!/usr/bin/env python3
import json, os
print(json.dumps([os.environ["ATOS_GOAL"], os.environ.get("GOAL"), os.environ["ATOS_PULL"]]))
"""

GOALS = [
    "Write a Python function to add two numbers",
    "cost $5 and $(shell touch pwned) or $${HOME}",
    "say \"hello\" and 'good bye'",
    "a # is no comment",
    "`touch pwned` && touch pwned; $(touch pwned)",
    "back\\slash \\n and 100%",
    "größer als ä — 漢字",
]


@pytest.fixture
def echo(tmp_path: Path) -> Path:
    script = tmp_path / "echo_goal.py"
    script.write_text(ECHO)
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return script


@pytest.mark.parametrize("goal", GOALS)
def test_a_goal_reaches_the_first_program_unharmed(goal: str, echo: Path) -> None:
    command = ["make", "--no-print-directory", "-s", "goal", f"GOAL={goal}", f"PYTHON={echo}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=15)
    assert json.loads(done.stdout) == [goal, None, ""]
    assert not (ROOT / "pwned").exists()


def test_pull_is_handed_on(echo: Path) -> None:
    command = ["make", "--no-print-directory", "-s", "goal", "GOAL=x", "PULL=1", f"PYTHON={echo}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=15)
    assert json.loads(done.stdout) == ["x", None, "1"]


def test_no_goal_is_one_clear_error() -> None:
    done = subprocess.run(
        ["make", "-s", "goal"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=15
    )
    assert done.returncode == 2
    assert "make goal needs a goal" in done.stderr
