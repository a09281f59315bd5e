"""A workspace, and a runner on each level that this machine has."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from atos_servers.code_runner.runner import Runner
from atos_servers.code_runner.sandbox import landlock
from atos_servers.code_runner.sandbox_probe import SandboxProbe, why_not_isolated


@pytest.fixture
def workspace() -> Iterator[Path]:
    """A folder that its owner alone may enter, as a person's is."""
    folder = Path(tempfile.mkdtemp(prefix="atosws"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


_why_missing: dict[str, str] = {}


async def sandbox_at(level: Any) -> SandboxProbe:
    """Return a sandbox that ends at this level; skip the test when the machine lacks it."""
    sandbox = SandboxProbe(level, {}, landlock.version(), shutil.which("bwrap") or "")
    if level not in _why_missing:
        here = bool(sandbox.bwrap) if level == "bwrap" else bool(sandbox.landlock)
        _why_missing[level] = (
            await why_not_isolated(level, sandbox) if here else "not on this machine"
        )
    if why := _why_missing[level]:
        pytest.skip(f"the {level} level does not hold here: {why}")
    return sandbox


@pytest.fixture(params=["bwrap", "landlock"])
async def runner(request: pytest.FixtureRequest) -> Runner:
    """A runner on each level for any code."""
    return Runner(await sandbox_at(request.param))


@pytest.fixture
async def best_runner() -> Runner:
    """A runner on the best level of this machine, found as the server finds it."""
    return Runner()
