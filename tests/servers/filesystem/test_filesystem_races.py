"""What another process does meanwhile: swapping links, killing the writer, filling the disk."""

import errno
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from atos_protocol.errors import AtosError
from atos_servers.filesystem.errors import DiskFullError
from atos_servers.filesystem.root import ConfinedRoot
from doubles.attack_ground import SECRET, AttackGround, allow_all
from doubles.link_swapper import lay_out_for_swapping, swapping

ROUNDS = 1_500


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="renameat2 is Linux")
@pytest.mark.timeout(60)
def test_links_swapped_in_while_paths_are_opened_lead_nowhere(
    root: ConfinedRoot, ground: AttackGround
) -> None:
    lay_out_for_swapping(ground)
    outcomes: dict[str, int] = {}

    with swapping(ground.inside):
        for number in range(ROUNDS):
            for place in (("swap", "secret"), ("file",)):
                try:
                    assert root.read(place) == b"mine", "the secret leaked"
                    outcome = "read"
                except AtosError as error:
                    outcome = error.code
                outcomes[outcome] = outcomes.get(outcome, 0) + 1
            if number % 10 == 0:
                for place in (("swap", "made"), ("file",)):
                    with suppress(AtosError):
                        root.write(place, b"mine")

    assert (ground.outside / "secret").read_bytes() == SECRET
    assert outcomes.get("read", 0) > 0, outcomes
    assert len(outcomes) > 1, f"the attacker never got in between: {outcomes}"


WRITER = """
import sys, pathlib
from atos_servers.filesystem.root import ConfinedRoot
root = ConfinedRoot(pathlib.Path(sys.argv[1]), lambda parts: None)
print("ready", flush=True)
while True:
    for letter in b"ab":
        root.write(("target.bin",), bytes([letter]) * 300_000)
"""


WRITE_ONCE = WRITER.replace("while True:", "for _ in range(1):")


@pytest.mark.timeout(60)
def test_a_writer_that_is_killed_leaves_the_old_content_or_the_new(ground: AttackGround) -> None:
    target = ground.inside / "target.bin"
    target.write_bytes(b"a" * 300_000)
    leftovers = 0
    for number in range(8):
        arguments = [sys.executable, "-c", WRITER, str(ground.inside)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(0.003 * number)
            writer.send_signal(signal.SIGKILL)
        data = target.read_bytes()
        assert len(data) == 300_000
        assert data in (b"a" * 300_000, b"b" * 300_000)
        leftovers += len(list(ground.inside.glob(".atos-*.tmp")))

    (ground.inside / f".atos-{'0' * 16}.tmp").write_text("what a kill at the worst moment leaves")
    with ConfinedRoot(ground.inside, allow_all) as root:
        assert not any(e.name.startswith(".atos-") for e in root.list(()).entries)
    run = [sys.executable, "-c", WRITE_ONCE, str(ground.inside)]
    subprocess.run(run, check=True, timeout=20)
    assert list(ground.inside.glob(".atos-*.tmp")) == [], f"{leftovers} and one more were swept"


def test_a_full_disk_leaves_the_old_content_and_no_rest(
    root: ConfinedRoot, ground: AttackGround, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, left = os.write, [2]

    def short_write(handle: int, data: memoryview) -> int:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(handle, data[: len(data) // 2])

    monkeypatch.setattr(os, "write", short_write)
    with pytest.raises(DiskFullError, match="No space left"):
        root.write(("good.txt",), b"x" * 100_000)
    monkeypatch.undo()

    assert root.read(("good.txt",)) == b"good"
    assert list(ground.inside.glob(".atos-*.tmp")) == []


REAL_DISK = """
import pathlib, sys
from atos_servers.filesystem.errors import DiskFullError
from atos_servers.filesystem.root import ConfinedRoot
root = ConfinedRoot(pathlib.Path(sys.argv[1]), lambda parts: None)
root.write(("file",), b"old")
try:
    root.write(("file",), b"x" * 2_000_000)
except DiskFullError:
    print(root.read(("file",)).decode(), [e.name for e in root.list(()).entries])
"""


def test_a_disk_that_is_really_full_likewise(tmp_path: Path) -> None:
    mount = (
        f"mount -t tmpfs -o size=1m none {tmp_path} && exec {sys.executable} -c '{{}}' {tmp_path}"
    )
    script = mount.format(REAL_DISK.replace("'", '"'))
    try:
        done = subprocess.run(
            ["unshare", "-Urm", "sh", "-c", script],
            check=False,
            capture_output=True,
            text=True,
            timeout=15,
        )
    except FileNotFoundError:
        pytest.skip("unshare is not installed")
    if "mount:" in done.stderr or "unshare:" in done.stderr:
        pytest.skip(f"no disk of our own can be mounted here: {done.stderr.strip()[:100]}")
    assert done.stdout == "old ['file']\n", done.stderr
