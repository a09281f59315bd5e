"""Random operations while an attacker plants links: nothing outside is ever read or changed."""

import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from atos_protocol.errors import AtosError
from atos_servers.filesystem.confined_open import BACKENDS
from atos_servers.filesystem.paths import locate
from atos_servers.filesystem.root import ConfinedRoot
from doubles.attack_ground import SECRET, AttackGround, allow_all

paths = st.one_of(
    st.sampled_from(
        [
            "a", "b", "dir", "dir/a", "dir/up/secret", "to-folder/secret", "to-file", "within/a",
            "../outside/secret", "dir/../../outside/secret", "/etc/passwd", ".", "", "a/b/c",
            "hardlink", "root/etc/passwd", "~", "~/x",
        ]
    ),
    st.text(max_size=12),
    st.text(alphabet="./\\~\0ab:\u202e\ud800", max_size=12),
)  # fmt: skip
backends = st.sampled_from(BACKENDS)


class Confinement(RuleBasedStateMachine):
    """The tools' way from a client's text to the disk, without the tools."""

    def __init__(self) -> None:
        super().__init__()
        self.ground = AttackGround(Path(tempfile.mkdtemp(prefix="atosfs")))
        self.ground.lay_out()
        inside = self.ground.inside
        self.roots = {b: ConfinedRoot(inside, allow_all, b) for b in BACKENDS}

    def place(self, path: str) -> tuple[str, ...]:
        return locate(path, {self.ground.inside: self.ground.inside}, Path("/home/nobody")).parts

    @rule(path=paths, backend=backends)
    def read(self, path: str, backend: str) -> None:
        with suppress(AtosError):
            assert SECRET not in self.roots[backend].read(self.place(path))

    @rule(path=paths, backend=backends)
    def list_and_stat(self, path: str, backend: str) -> None:
        with suppress(AtosError):
            names = [e.name for e in self.roots[backend].list(self.place(path)).entries]
            assert "secret" not in names
        with suppress(AtosError):
            found = self.roots[backend].stat(self.place(path))
            outside = (self.ground.outside / "folder").stat()
            assert (found.st_dev, found.st_ino) != (outside.st_dev, outside.st_ino)

    @rule(path=paths, data=st.binary(max_size=50), backend=backends)
    def write(self, path: str, data: bytes, backend: str) -> None:
        with suppress(AtosError):
            self.roots[backend].write(self.place(path), data)
            assert self.roots[backend].read(self.place(path)) == data

    @rule(path=paths, backend=backends)
    def make_directory(self, path: str, backend: str) -> None:
        with suppress(AtosError):
            self.roots[backend].make_directory(self.place(path))

    @rule(old=paths, new=paths, backend=backends)
    def move(self, old: str, new: str, backend: str) -> None:
        root = self.roots[backend]
        with suppress(AtosError):
            root.move(self.place(old), root, self.place(new))

    @rule(
        name=st.sampled_from(["dir", "a", "b", "dir/a", "within"]),
        to=st.sampled_from(["..", "../outside", "../outside/secret", "/etc", "a", "dir"]),
    )
    def attacker_plants_a_link(self, name: str, to: str) -> None:
        path = self.ground.inside / name
        if path.parent.is_symlink():
            return  # the attacker of this model stays inside
        remove: Callable[[Path], None] = os.unlink
        if path.is_dir() and not path.is_symlink():
            remove = shutil.rmtree
        with suppress(OSError):
            if os.path.lexists(path):
                remove(path)
            path.symlink_to(to)

    @invariant()
    def nothing_outside_was_changed(self) -> None:
        self.ground.check_untouched()

    def teardown(self) -> None:
        for root in self.roots.values():
            root.__exit__()
        shutil.rmtree(self.ground.top)


TestConfinement = Confinement.TestCase
TestConfinement.settings = settings(
    max_examples=int(os.environ.get("ATOS_TEST_EXAMPLES", "25")),
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
