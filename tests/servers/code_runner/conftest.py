"""A workspace, and a runner on each level that this machine has."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from atos_servers.code_runner.runner import Runner
from doubles.runners import ready_zygote, sandbox_at


@pytest.fixture
def workspace() -> Iterator[Path]:
    """A folder that its owner alone may enter, as a person's is."""
    folder = Path(tempfile.mkdtemp(prefix="atosws"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["bwrap", "landlock", "bwrap-warm", "landlock-warm"])
async def runner(request: pytest.FixtureRequest) -> AsyncIterator[Runner]:
    """A runner on each level for any code, its launchers started afresh and forked by a zygote."""
    level, _, start = request.param.partition("-")
    sandbox = await sandbox_at(level)
    if not start:
        yield Runner(sandbox)
        return
    async with ready_zygote() as warm:
        yield Runner(sandbox, warm=warm)


@pytest.fixture
async def best_runner() -> Runner:
    """A runner on the best level of this machine, found as the server finds it."""
    return Runner()
