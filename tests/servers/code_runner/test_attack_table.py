"""Every attack of the table, on each isolation level, as root and as an ordinary user; each has a line in the docs."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import anyio.to_thread
import pytest

from doubles import sandbox_attacks
from doubles.runners import sandbox_at
from doubles.sandbox_attacks import ATTACKS, succeeded

ORDINARY = Path(sandbox_attacks.__file__).parent / "ordinary_user.py"
PAGE = Path(__file__).parents[3] / "docs" / "security.md"
pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def ground() -> Iterator[tuple[Path, Path]]:
    """A workspace and, beside it, a secret; both can be reached by any user but for the sandbox."""
    with tempfile.TemporaryDirectory(prefix="atosws") as name:
        place = Path(name)
        place.chmod(0o777)
        code, secret = place / "code", place / "secret"
        code.mkdir()
        code.chmod(0o777)
        secret.write_text("SECRET")
        secret.chmod(0o644)
        yield code, secret
        assert (sorted(p.name for p in place.iterdir()), secret.read_text()) == (
            ["code", "secret"],
            "SECRET",
        )
        assert list(code.iterdir()) == []


@pytest.mark.parametrize("level", ["bwrap", "landlock"])
async def test_no_attack_of_the_table_succeeds(level: str, ground: tuple[Path, Path]) -> None:
    await sandbox_at(level)
    assert await succeeded(level, *ground) == {}


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
async def test_no_attack_of_the_table_succeeds_for_an_ordinary_user(
    ground: tuple[Path, Path],
) -> None:
    """On the Landlock level: bubblewrap takes no caller that keeps a capability, as this one must to read root's Python."""
    await sandbox_at("landlock")
    command = [sys.executable, str(ORDINARY), "1234", sys.executable, sandbox_attacks.__file__]

    def attacked() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, "landlock", *map(str, ground)],
            capture_output=True, text=True, timeout=50, check=False,
            env=os.environ | {"PYTHONPATH": str(ORDINARY.parents[1])},
        )  # fmt: skip

    done = await anyio.to_thread.run_sync(attacked)
    assert json.loads(done.stdout or "null") == {}, done.stderr


def test_each_attack_of_the_table_has_its_line_in_the_page() -> None:
    lines = [line.split(" | ")[:2] for line in PAGE.read_text().splitlines() if " | " in line]
    told = {name.removeprefix("| "): what for name, what in lines}
    assert {name: told.get(name) for name in ATTACKS} == {
        n: what for n, (what, _) in ATTACKS.items()
    }
