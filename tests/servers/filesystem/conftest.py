"""An attack ground, and a root over its workspace with each way of resolving paths."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from atos_servers.filesystem.confined_open import BACKENDS
from atos_servers.filesystem.root import ConfinedRoot
from doubles.attack_ground import AttackGround, allow_all


@pytest.fixture
def ground() -> Iterator[AttackGround]:
    with TemporaryDirectory(prefix="atosfs") as folder:
        ground = AttackGround(Path(folder))
        ground.lay_out()
        yield ground
        ground.check_untouched()


@pytest.fixture(params=BACKENDS)
def root(request: pytest.FixtureRequest, ground: AttackGround) -> Iterator[ConfinedRoot]:
    with ConfinedRoot(ground.inside, allow_all, request.param) as root:
        yield root
