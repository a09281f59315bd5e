"""A workspace, and a runner on each level that this machine has."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from atos_servers.code_runner.runner import Runner
from doubles.runners import runner_at


@pytest.fixture
def workspace() -> Iterator[Path]:
    """A folder that its owner alone may enter, as a person's is."""
    folder = Path(tempfile.mkdtemp(prefix="atosws"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


LONG = pytest.mark.long
LEVELS = (
    "bwrap",
    "landlock",
    pytest.param("bwrap-warm", marks=LONG),
    pytest.param("landlock-warm", marks=LONG),
)
"""Warm starts of what is no attack are tried in `make test-long`: they run the same code after the fork."""


@pytest.fixture(params=LEVELS)
async def runner(request: pytest.FixtureRequest) -> AsyncIterator[Runner]:
    """A runner on each level for any code, its launchers started afresh and forked by a zygote."""
    async with runner_at(request.param) as made:
        yield made


@pytest.fixture
async def best_runner() -> Runner:
    """A runner on the best level of this machine, found as the server finds it."""
    return Runner()
