"""The static attack table: every known way out, for every operation, with both ways of resolving.

That nothing outside was changed is checked after each test (`AttackGround.check_untouched`).
"""

import itertools
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from atos_protocol.errors import AtosError, NotFoundError
from atos_servers.filesystem.confined_open import BACKENDS
from atos_servers.filesystem.errors import (
    ChangedError,
    ExistsError,
    FailedError,
    HardlinkError,
    NotAFileError,
    OutsideError,
    TooBigError,
)
from atos_servers.filesystem.paths import Parts
from atos_servers.filesystem.root import MAX_BYTES, ConfinedRoot, pinned
from doubles.attack_ground import SECRET, AttackGround, allow_all

REFUSED = (OutsideError, NotAFileError, NotFoundError, ExistsError)

WAYS_OUT = [
    "to-file",
    "to-folder/secret",
    "to-folder/new",
    "to-folder/folder/new",
    "absolute",
    "root/etc/passwd",
    "proc/etc/passwd",
    "loop",
    "loop/x",
    "dangling",
    "dangling/x",
    "dir/up/secret",
    "within/up/secret",
    "good.txt/x",
]


def at(path: str) -> Parts:
    return tuple(path.split("/"))


OPERATIONS: dict[str, Callable[[ConfinedRoot, Parts], object]] = {
    "read": lambda root, parts: root.read(parts),
    "stat": lambda root, parts: root.stat(parts),
    "list": lambda root, parts: root.list(parts),
    "write": lambda root, parts: root.write(parts, b"x"),
    "make_directory below": lambda root, parts: root.make_directory((*parts, "new")),
    "move from": lambda root, parts: root.move((*parts, "x"), root, ("stolen",)),
    "move to": lambda root, parts: root.move(("good.txt",), root, (*parts, "x")),
}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
@pytest.mark.parametrize("way", WAYS_OUT)
def test_no_operation_follows_a_way_out(
    root: ConfinedRoot, way: str, operation: Callable[[ConfinedRoot, Parts], object]
) -> None:
    with pytest.raises(REFUSED):
        operation(root, at(way))


@pytest.mark.parametrize("name", ["read", "stat", "list", "write", "make_directory below"])
def test_the_folder_above_has_no_name(root: ConfinedRoot, name: str) -> None:
    for parts in (("..", "outside", "secret"), ("dir", "..", "..", "outside", "secret")):
        with pytest.raises(REFUSED):
            OPERATIONS[name](root, parts)


def test_what_is_no_folder_is_not_said_to_be_one_that_was_made(root: ConfinedRoot) -> None:
    for name in ("fifo", "socket", "dangling"):
        with pytest.raises(REFUSED):
            root.make_directory((name,))


def test_a_link_that_stays_inside_is_followed_by_the_kernel_and_refused_by_the_walk(
    ground: AttackGround,
) -> None:
    for backend in BACKENDS:
        with ConfinedRoot(ground.inside, allow_all, backend) as root:
            if backend == "openat2":
                assert root.read(at("within/deep.txt")) == b"deep"
                assert root.read(at("within-file")) == b"good"
            else:
                with pytest.raises(REFUSED):
                    root.read(at("within/deep.txt"))
                with pytest.raises(REFUSED):
                    root.read(at("within-file"))


def test_a_file_with_a_second_hard_link_is_not_read(root: ConfinedRoot) -> None:
    with pytest.raises(HardlinkError, match="has 2 hard links"):
        root.read(at("hardlink"))


def test_writing_to_a_hard_link_replaces_the_name_and_not_the_other_file(
    root: ConfinedRoot, ground: AttackGround
) -> None:
    root.write(at("hardlink"), b"mine")
    assert root.read(at("hardlink")) == b"mine"
    assert (ground.outside / "secret").read_bytes() == SECRET


@pytest.mark.timeout(5)
@pytest.mark.parametrize("name", ["fifo", "socket"])
def test_a_pipe_or_socket_neither_hangs_nor_is_replaced(root: ConfinedRoot, name: str) -> None:
    with pytest.raises(NotAFileError):
        root.read(at(name))
    with pytest.raises(NotAFileError):
        root.write(at(name), b"x")
    assert not root.stat(at(name)).st_size


@pytest.mark.skipif(os.getuid() != 0, reason="only root may make a device")
def test_a_device_is_not_read(root: ConfinedRoot, ground: AttackGround) -> None:
    try:
        os.mknod(ground.inside / "zero", 0o20666, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("this container may make no devices")
    with pytest.raises(NotAFileError):
        root.read(at("zero"))


@pytest.mark.parametrize("name", ["dir", "to-file", "dangling", "within-file"])
def test_what_is_no_regular_file_is_never_replaced_by_a_write(
    root: ConfinedRoot, name: str
) -> None:
    with pytest.raises(NotAFileError):
        root.write(at(name), b"x")


def test_the_root_itself_is_neither_written_nor_moved(root: ConfinedRoot) -> None:
    with pytest.raises(NotAFileError):
        root.write((), b"x")
    with pytest.raises(NotAFileError):
        root.move((), root, at("x"))
    with pytest.raises(NotAFileError):
        root.move(at("good.txt"), root, ())
    root.make_directory(())


def test_a_move_never_replaces(root: ConfinedRoot) -> None:
    for target in ("dir/deep.txt", "dir", "dangling", "good.txt"):
        with pytest.raises(ExistsError):
            root.move(at("good.txt"), root, at(target))
    assert root.read(at("dir/deep.txt")) == b"deep"


def test_a_folder_can_not_be_moved_into_itself(root: ConfinedRoot) -> None:
    with pytest.raises(AtosError):
        root.move(at("dir"), root, at("dir/inner"))


def test_a_moved_link_stays_a_link(root: ConfinedRoot, ground: AttackGround) -> None:
    root.move(at("to-file"), root, at("renamed"))
    assert (ground.inside / "renamed").is_symlink()
    with pytest.raises(REFUSED):
        root.read(at("renamed"))


def test_an_expected_content_that_changed_is_not_replaced(root: ConfinedRoot) -> None:
    with pytest.raises(ChangedError):
        root.write(at("good.txt"), b"new", expected=b"goo")
    with pytest.raises(NotFoundError):
        root.write(at("nobody.txt"), b"new", expected=b"")
    root.write(at("good.txt"), b"new", expected=b"good")
    assert root.read(at("good.txt")) == b"new"


def test_a_write_keeps_the_mode_of_the_file(root: ConfinedRoot, ground: AttackGround) -> None:
    (ground.inside / "good.txt").chmod(0o750)
    root.write(at("good.txt"), b"new")
    assert root.stat(at("good.txt")).st_mode & 0o777 == 0o750


def test_a_write_protected_file_stays(root: ConfinedRoot, ground: AttackGround) -> None:
    (ground.inside / "good.txt").chmod(0o444)
    if os.access(ground.inside / "good.txt", os.W_OK):
        pytest.skip("this user may write anything")
    with pytest.raises(FailedError, match="write-protected"):
        root.write(at("good.txt"), b"new")


def test_sizes_beyond_one_call_are_refused_with_the_numbers(
    root: ConfinedRoot, ground: AttackGround
) -> None:
    with pytest.raises(TooBigError, match=str(MAX_BYTES)):
        root.write(at("big"), b"x" * (MAX_BYTES + 1))
    with (ground.inside / "huge").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(TooBigError, match="1099511627776 bytes"):
        root.read(at("huge"))


def test_a_root_that_was_replaced_by_a_link_is_not_followed(ground: AttackGround) -> None:
    inner = ground.inside / "dir"
    pinned(inner)
    inner.rename(ground.inside / "gone")
    inner.symlink_to(ground.outside)
    for backend in BACKENDS:
        with pytest.raises(REFUSED):
            ConfinedRoot(inner, allow_all, backend)


def test_a_root_named_through_a_link_is_its_target(ground: AttackGround, tmp_path: Path) -> None:
    alias = tmp_path / "alias"
    alias.symlink_to(ground.inside)
    with ConfinedRoot(alias, allow_all) as root:
        assert root.read(at("good.txt")) == b"good"


def test_a_root_that_is_not_there_says_so(ground: AttackGround) -> None:
    with pytest.raises(NotFoundError, match="nowhere"):
        ConfinedRoot(ground.inside / "nowhere", allow_all)


def test_the_guard_sees_where_a_write_really_goes(ground: AttackGround) -> None:
    seen: list[Parts] = []
    with ConfinedRoot(ground.inside, seen.append) as root:
        try:
            root.write(at("within/new.txt"), b"x")
        except REFUSED:
            pytest.skip("this system has no openat2, so no link is followed")
    assert seen == [("within", "new.txt"), ("dir", "new.txt")]


def test_a_folder_that_is_moved_out_under_a_write_is_noticed(
    root: ConfinedRoot, ground: AttackGround
) -> None:
    elsewhere, calls = ground.top / "moved", itertools.count()

    def move_away(_parts: Parts) -> None:
        if next(calls) == 1:  # the second look, when the folder is open
            (ground.inside / "dir").rename(elsewhere)

    with ConfinedRoot(ground.inside, move_away) as watched, pytest.raises(OutsideError):
        watched.write(at("dir/late.txt"), b"x")
    elsewhere.rename(ground.inside / "dir")
    assert root.read(at("dir/deep.txt")) == b"deep"
