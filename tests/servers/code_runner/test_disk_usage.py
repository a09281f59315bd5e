"""What a folder takes on the disk is measured at any depth, empty files included, links not."""

import os
import tempfile
from pathlib import Path

import pytest

from atos_servers.code_runner.sandbox.disk_usage import ENTRY_BYTES, disk_used
from atos_servers.code_runner.sandbox.open_files import INODE_BYTES, tmpfs_bytes
from atos_servers.code_runner.sandbox.removal import remove_folder
from doubles.deep_folders import nest
from doubles.without_root import as_an_ordinary_user

MUCH = 1 << 30


def test_every_entry_counts_for_something(tmp_path: Path) -> None:
    for number in range(100):
        (tmp_path / str(number)).touch()
    assert disk_used(str(tmp_path), MUCH) == 100 * ENTRY_BYTES


def test_folders_deeper_than_any_path_are_counted(tmp_path: Path) -> None:
    nest(tmp_path / "deep", 200, name="d" * 100)
    try:
        assert disk_used(str(tmp_path), MUCH) >= 201 * ENTRY_BYTES
    finally:
        remove_folder(tmp_path / "deep")


def test_what_a_link_points_to_is_not_counted(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "large").write_bytes(b"x" * (1 << 20))
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "link").symlink_to(tmp_path / "outside")
    assert disk_used(str(tmp_path / "inside"), MUCH) == ENTRY_BYTES


def test_counting_ends_where_the_limit_is_exceeded(tmp_path: Path) -> None:
    for number in range(100):
        (tmp_path / str(number)).touch()
    assert disk_used(str(tmp_path), 10 * ENTRY_BYTES) == 11 * ENTRY_BYTES


@pytest.mark.parametrize("mode", [0, 0o200, 0o400, 0o600])
def test_what_an_ordinary_user_may_not_look_into_is_counted_and_keeps_its_mode(mode: int) -> None:
    def measured() -> bool:
        with tempfile.TemporaryDirectory() as name:
            top, shut = Path(name), Path(name, "a", "b")
            shut.mkdir(parents=True)
            for number in range(100):
                (shut / str(number)).touch()
            folders = (shut, shut.parent, top)
            for folder in folders:
                folder.chmod(mode)
            used = disk_used(name, MUCH)
            kept = list[int]()
            for folder in reversed(folders):
                kept.append(folder.stat().st_mode & 0o777)
                folder.chmod(0o700)
        return (used, kept) == (102 * ENTRY_BYTES, [mode] * 3)

    assert as_an_ordinary_user(measured)


def test_a_missing_folder_takes_nothing(tmp_path: Path) -> None:
    assert disk_used(str(tmp_path / "missing"), MUCH) == 0


@pytest.mark.skipif(not os.path.ismount("/dev/shm"), reason="no file system in memory here")
def test_files_of_no_size_in_memory_count_as_memory(tmp_path: Path) -> None:
    (tmp_path / "tmp").symlink_to("/dev/shm")  # stands for a sandbox's own
    before = tmpfs_bytes(str(tmp_path))
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        for number in range(2_000):
            Path(folder, str(number)).touch()
        assert tmpfs_bytes(str(tmp_path)) >= before + 1_900 * INODE_BYTES


def test_the_machines_own_file_systems_in_memory_are_not_a_sandboxs() -> None:
    assert tmpfs_bytes("") == 0
