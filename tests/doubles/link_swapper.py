"""An attacker in a process of its own: exchanges a folder and a file with links to the outside, all the time."""

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from doubles.attack_ground import AttackGround

SWAPPER = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
number = {"x86_64": 316, "aarch64": 276}[os.uname().machine]
os.chdir(sys.argv[1])
print("ready", flush=True)
while os.getppid() == int(sys.argv[2]):
    for pair in ((b"swap", b"swap-link"), (b"file", b"file-link")):
        libc.syscall(number, -100, pair[0], -100, pair[1], 2)
"""
"""Each exchange is one system call."""


def lay_out_for_swapping(ground: AttackGround) -> None:
    """Make the folder and the file that are exchanged, and the links."""
    inside = ground.inside
    (inside / "swap").mkdir()
    (inside / "swap" / "secret").write_bytes(b"mine")
    (inside / "swap-link").symlink_to("../outside")
    (inside / "file").write_bytes(b"mine")
    (inside / "file-link").symlink_to("../outside/secret")


@contextmanager
def swapping(folder: Path) -> Generator[None]:
    """Exchange them while the block runs."""
    arguments = [sys.executable, "-I", "-c", SWAPPER, str(folder), str(os.getpid())]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as attacker:
        assert attacker.stdout is not None
        attacker.stdout.readline()
        try:
            yield
        finally:
            attacker.kill()
