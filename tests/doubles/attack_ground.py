"""A workspace with everything an attacker would plant in it, and a secret beside it."""

import os
import socket
from dataclasses import dataclass
from pathlib import Path

from atos_servers.filesystem.paths import Parts

SECRET = b"SECRET"

LINKS = {
    "to-folder": "../outside",
    "to-file": "../outside/secret",
    "absolute": "{outside}/secret",
    "root": "/",
    "proc": "/proc/self/root",
    "loop": "loop",
    "dangling": "../outside/not-yet",
    "dir/up": "../../outside",
    "within": "dir",
    "within-file": "good.txt",
}
"""Name in the workspace -> where the link leads."""


@dataclass(frozen=True)
class AttackGround:
    """Where an attack takes place."""

    top: Path

    @property
    def inside(self) -> Path:
        return self.top / "ws"

    @property
    def outside(self) -> Path:
        return self.top / "outside"

    def lay_out(self) -> None:
        """Make the workspace with good files and traps, and what must not be reached."""
        for name in ("ws/dir", "outside/folder", "ws-evil"):
            (self.top / name).mkdir(parents=True)
        for name in ("outside/secret", "ws-evil/secret"):
            (self.top / name).write_bytes(SECRET)
        (self.inside / "good.txt").write_bytes(b"good")
        (self.inside / "dir" / "deep.txt").write_bytes(b"deep")
        for name, target in LINKS.items():
            (self.inside / name).symlink_to(target.format(outside=self.outside))
        (self.inside / "hardlink").hardlink_to(self.outside / "secret")
        os.mkfifo(self.inside / "fifo")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.inside / "socket"))

    def check_untouched(self) -> None:
        """Fail if anything beside the workspace was changed."""
        assert sorted(p.name for p in self.top.iterdir()) == ["outside", "ws", "ws-evil"]
        assert sorted(p.name for p in self.outside.iterdir()) == ["folder", "secret"]
        assert (self.outside / "secret").read_bytes() == SECRET
        assert list((self.outside / "folder").iterdir()) == []
        assert [p.read_bytes() for p in (self.top / "ws-evil").iterdir()] == [SECRET]


def allow_all(_parts: Parts) -> None:
    """Guard nothing: confinement must stand without the policy."""
