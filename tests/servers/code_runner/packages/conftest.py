"""A package index of the test's own, and a place for environments."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from doubles.package_index import PackageIndex, only_index


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[PackageIndex]:
    with only_index(monkeypatch) as serving:
        yield serving


@pytest.fixture
def root() -> Iterator[Path]:
    """Where environments go: private, as below a home."""
    folder = Path(tempfile.mkdtemp(prefix="atosenv"))
    yield folder / "environments"
    shutil.rmtree(folder, ignore_errors=True)
