"""The host and its worker write with the person's umask: nothing that is ATOS's own depends on it.

A person's repositories may be meant for a group or a web server, so they get the mode that the person's umask gives.
All that is ATOS's lies in folders that are closed whatever the umask is; so do the working files of the sandbox.
"""

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from atos_protocol.daemons import connect, peer_pid
from doubles.host_process import host_process

pytestmark = pytest.mark.timeout(180)

NOBODY = 65534
READABLE = """
import os, sys
for top in sys.argv[1:]:
    for folder, _, names in os.walk(top):
        for name in names:
            try:
                with open(os.path.join(folder, name), "rb"):
                    print(os.path.join(folder, name))
            except OSError:
                pass
"""


@contextmanager
def umask(mask: int) -> Generator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def readable_by_nobody(*folders: Path) -> list[str]:
    """Return the files that another user, in none of our groups, can read."""
    ran = subprocess.run(
        ["/usr/bin/python3", "-I", "-c", READABLE, *map(str, folders)],
        capture_output=True, text=True, check=True, cwd="/", user=NOBODY, group=NOBODY, extra_groups=(),
    )  # fmt: skip
    return ran.stdout.split()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a process as another user")
@pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="there is no Python for others")
def test_with_no_umask_at_all_others_read_the_repository_and_nothing_of_atos(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with umask(0), host_process() as host:
        host.person.chmod(0o755)
        working = host.person / "tmp"
        working.mkdir()
        monkeypatch.setenv("TMPDIR", str(working))
        built = subprocess.run(
            [sys.executable, "-m", "atos.cli.main", "build", "Write a Python function to add two numbers"],
            capture_output=True, text=True, check=False, timeout=150,
        )  # fmt: skip
        assert built.returncode == 0, built.stderr
        with connect("servers", host.settings) as connection:
            status = Path(f"/proc/{peer_pid(connection)}/status").read_text()
        assert "Umask:\t0000\n" in status
        assert len([name for _, _, names in os.walk(host.settings.home) for name in names]) > 10
        assert readable_by_nobody(host.settings.home, working) == []
        assert any(name.endswith(".py") for name in readable_by_nobody(host.settings.workspaces))
