"""The tutorials that need nothing but this machine are followed to the letter, in a home of their own."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from doubles.installation import BIN, Installation

FOLDER = Path(__file__).parent.parent / "docs" / "tutorials"
FOLLOWED = ("first-goal.md", "deploy.md")
"""The others need a download, a card, n8n or Claude Desktop: their commands are parsed (`test_docs_site`)."""


def commands(page: str) -> list[str]:
    """Return the lines of a tutorial's shell blocks, in order."""
    fences = re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    return [line for fence in fences for line in fence.splitlines() if line.strip()]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", FOLLOWED)
def test_a_tutorial_ends_well_when_it_is_followed(name: str) -> None:
    atos = Installation()
    environment = atos.environment | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    try:
        lines = commands((FOLDER / name).read_text("utf-8"))
        assert len(lines) >= 5
        for line in lines:
            done = subprocess.run(
                ["bash", "-c", line], env=environment, cwd=atos.person, capture_output=True, text=True,
                timeout=200, check=False,
            )  # fmt: skip
            assert done.returncode == 0, f"{line}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
    finally:
        atos.close()
