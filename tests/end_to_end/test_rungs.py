"""The next rung of the sandbox is taken and named, when the one above it is refused."""

import sys
from pathlib import Path

import pytest

from doubles import refuse_userns
from doubles.installation import Installation, pytest_by_hand

ADD = "Write a Python function to add two numbers"
REFUSE = [sys.executable, refuse_userns.__file__]

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def path_without_bubblewrap(tmp_path: Path) -> str:
    """A PATH on which git and the rest are found, and bubblewrap is not."""
    for folder in ("/usr/local/bin", "/usr/bin", "/bin"):
        for tool in Path(folder).iterdir():
            link = tmp_path / tool.name
            if tool.name != "bwrap" and not link.exists() and not link.is_symlink():
                link.symlink_to(tool)
    return str(tmp_path)


def isolation_on(launcher: list[str], path: str) -> str:
    """Build the goal under a launcher; return the rung that the result names."""
    installation = Installation(launcher=launcher, PATH=path)
    try:
        result, events = installation.build(ADD)
        assert (result["exit"], result["state"]) == (0, "success"), result
        assert {e["data"]["isolation"] for e in events if e["kind"] == "tests_run"} == {
            result["isolation"]
        }
        assert pytest_by_hand(Path(result["repository"])).returncode == 0
        return str(result["isolation"])
    finally:
        installation.close()


def test_without_bubblewrap_and_user_namespaces_landlock_is_taken(
    path_without_bubblewrap: str,
) -> None:
    assert isolation_on(REFUSE, path_without_bubblewrap) == "landlock"


def test_without_landlock_too_a_catalogue_goal_runs_on_seccomp_alone(
    path_without_bubblewrap: str,
) -> None:
    assert isolation_on([*REFUSE, "--no-landlock"], path_without_bubblewrap) == "seccomp"
