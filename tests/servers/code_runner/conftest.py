"""A workspace, and a runner on each rung that this machine has."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from atos_servers.code_runner.runner import Runner
from atos_servers.code_runner.sandbox import landlock
from atos_servers.code_runner.sandbox_probe import SandboxProbe, holds


@pytest.fixture
def workspace() -> Iterator[Path]:
    """A folder that its owner alone may enter, as a person's is."""
    folder = Path(tempfile.mkdtemp(prefix="atosws"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


_why_missing: dict[str, str] = {}


async def ladder_of(rung: Any) -> SandboxProbe:
    """Return a ladder that ends at this rung; skip the test when the machine lacks it."""
    ladder = SandboxProbe(rung, {}, landlock.version(), shutil.which("bwrap") or "")
    if rung not in _why_missing:
        here = bool(ladder.bwrap) if rung == "bwrap" else bool(ladder.landlock)
        _why_missing[rung] = await holds(rung, ladder) if here else "not on this machine"
    if why := _why_missing[rung]:
        pytest.skip(f"the {rung} rung does not hold here: {why}")
    return ladder


@pytest.fixture(params=["bwrap", "landlock"])
async def runner(request: pytest.FixtureRequest) -> Runner:
    """A runner on each rung for any code."""
    return Runner(await ladder_of(request.param))


@pytest.fixture
async def best_runner() -> Runner:
    """A runner on the best rung of this machine, found as the server finds it."""
    return Runner()
