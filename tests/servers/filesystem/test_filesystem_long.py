"""`make test-long`: the races and kills in numbers that find what happens once in ten thousand times."""

import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from atos_protocol.errors import AtosError
from atos_servers.filesystem.root import ConfinedRoot
from doubles.attack_ground import SECRET, AttackGround, allow_all
from doubles.link_swapper import lay_out_for_swapping, swapping

READS, WRITES, MOVES = 200_000, 20_000, 5_000
KILLS = 200

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(3_600),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="renameat2 is Linux"),
]


def test_of_many_raced_reads_none_leaks(root: ConfinedRoot, ground: AttackGround) -> None:
    lay_out_for_swapping(ground)
    outcomes: dict[str, int] = {}
    with swapping(ground.inside):
        for _ in range(READS // 2):
            for place in (("swap", "secret"), ("file",)):
                try:
                    assert root.read(place) == b"mine", "the secret leaked"
                    outcome = "read"
                except AtosError as error:
                    outcome = error.code
                outcomes[outcome] = outcomes.get(outcome, 0) + 1
    print(f"{READS} raced reads: {outcomes}, 0 leaked")
    assert len(outcomes) > 1, "the attacker never got in between"
    assert outcomes["read"] > 0


def test_of_many_raced_writes_none_escapes(root: ConfinedRoot, ground: AttackGround) -> None:
    lay_out_for_swapping(ground)
    outcomes: dict[str, int] = {}
    with swapping(ground.inside):
        for number in range(WRITES // 2):
            for place in (("swap", f"made{number % 10}"), ("file",)):
                try:
                    root.write(place, b"mine")
                    outcome = "written"
                except AtosError as error:
                    outcome = error.code
                outcomes[outcome] = outcomes.get(outcome, 0) + 1
    print(f"{WRITES} raced writes: {outcomes}, 0 escaped")
    ground.check_untouched()
    assert outcomes["written"] > 0


def test_of_many_raced_moves_none_takes_or_puts_anything_outside(
    root: ConfinedRoot, ground: AttackGround
) -> None:
    lay_out_for_swapping(ground)
    moved = 0
    with swapping(ground.inside):
        for number in range(MOVES // 2):
            with suppress(AtosError):
                root.move(("swap", "secret"), root, (f"stolen{number}",))
                moved += 1
            for path in ground.inside.glob("stolen*"):
                assert path.read_bytes() != SECRET
                path.unlink()
            with suppress(AtosError):
                root.write(("mine",), b"mine")
                root.move(("mine",), root, ("swap", "secret"))
                moved += 1
    print(f"{MOVES} raced moves: {moved} made, 0 escaped")
    ground.check_untouched()
    assert moved > 0


WRITER = """
import os, pathlib, sys
from atos_servers.filesystem.root import ConfinedRoot
write, told = os.write, []
def in_pieces(handle, data):
    done = write(handle, data[:65536])
    if not told:
        told.append(write(1, b"begun\\n"))
    return done
os.write = in_pieces
root = ConfinedRoot(pathlib.Path(sys.argv[1]), lambda parts: None)
while True:
    for letter in b"ab":
        told.clear()
        root.write(("target.bin",), bytes([letter]) * (4 << 20))
"""
"""Says when the first byte of a new content is on the disk; the rename is still far."""


def test_of_many_writers_killed_in_mid_write_none_leaves_a_torn_file(ground: AttackGround) -> None:
    target, chance, between = ground.inside / "target.bin", random.Random(8), 0
    target.write_bytes(b"a" * (4 << 20))
    for number in range(KILLS):
        for left in ground.inside.glob(".atos-*.tmp"):
            left.unlink()
        arguments = [sys.executable, "-c", WRITER, str(ground.inside)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            if number % 4 == 3:
                time.sleep(chance.random() / 20)
            writer.send_signal(signal.SIGKILL)
        data = target.read_bytes()
        assert data in (b"a" * (4 << 20), b"b" * (4 << 20)), f"torn at kill {number}"
        between += any(ground.inside.glob(".atos-*.tmp"))
    print(f"{KILLS} kills, {between} of them between the first byte and the rename, 0 torn")
    assert between >= KILLS // 2
    once = "import pathlib, sys; from atos_servers.filesystem.root import ConfinedRoot; "
    once += "ConfinedRoot(pathlib.Path(sys.argv[1]), lambda p: None).write(('target.bin',), b'x')"
    subprocess.run([sys.executable, "-c", once, str(ground.inside)], check=True)
    assert list(ground.inside.glob(".atos-*.tmp")) == []


FULL_DISK = """
import os, pathlib, sys
from atos_servers.filesystem.errors import DiskFullError
from atos_servers.filesystem.root import ConfinedRoot
root = ConfinedRoot(pathlib.Path(sys.argv[1]), lambda parts: None)
root.write(("file",), b"old")
for size in (9 << 19, 7 << 20):
    try:
        root.write(("file",), os.urandom(size))
    except DiskFullError:
        names = [e.name for e in root.list(()).entries if e.name != "lost+found"]
        print(root.read(("file",)) == b"old", names)
"""


def test_a_real_file_system_that_is_full_keeps_the_old_content(tmp_path: Path) -> None:
    """An ext4 of 4 MiB in a file, mounted in a name space of its own."""
    image, place, script = tmp_path / "image", tmp_path / "mounted", tmp_path / "full.py"
    image.write_bytes(bytes(4 << 20))
    place.mkdir()
    script.write_text(FULL_DISK)
    steps = f"mkfs.ext4 -q {image} && mount -o loop {image} {place} && {sys.executable} {script} {place}"
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", steps], check=False, capture_output=True, text=True
    )
    if "mount:" in done.stderr or "unshare:" in done.stderr or "mkfs" in done.stderr:
        pytest.skip(f"no ext4 can be mounted here: {done.stderr.strip()[:200]}")
    assert done.stdout == "True ['file']\nTrue ['file']\n", done.stderr


def test_the_ground_of_these_attacks_holds_a_secret(ground: AttackGround) -> None:
    assert (ground.outside / "secret").read_bytes() == SECRET
    with ConfinedRoot(ground.inside, allow_all) as root, pytest.raises(AtosError):
        root.read(("to-folder", "secret"))
