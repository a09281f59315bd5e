"""Fixtures that every suite shares: a short, private ATOS home, so that no test meets another's daemons."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

MOST_WORKERS = 16

# a busy machine is no test's failure; the rest is as hypothesis has it here or in CI
settings.register_profile("untimed", parent=settings(), deadline=None)
settings.load_profile("untimed")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two workers for each core: tests wait for processes that they started more than they compute."""
    return min(2 * (os.cpu_count() or 1), MOST_WORKERS)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def atos_home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A fresh ATOS_HOME; short, because a Unix socket's path must fit 107 bytes."""
    person = Path(tempfile.mkdtemp(prefix="atos"))
    home = person / "h"
    monkeypatch.setenv("HOME", str(person))
    monkeypatch.setenv("ATOS_HOME", str(home))
    monkeypatch.setenv("ATOS_HTTP_PORT", "0")
    monkeypatch.setenv("ATOS_OLLAMA_URL", "")
    yield home
    shutil.rmtree(person, ignore_errors=True)
