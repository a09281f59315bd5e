"""Folders that hostile code filled are removed whatever they hold, and nothing else is."""

import fcntl
import os
import signal
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atos_servers.code_runner.run_folder import run_folder
from atos_servers.code_runner.sandbox.removal import empty_folder, remove_folder, remove_stale
from doubles.deep_folders import nest
from doubles.without_root import as_an_ordinary_user

DEEP = 2_500


@pytest.fixture
def ground() -> Iterator[Path]:
    with TemporaryDirectory(prefix="atosrm") as folder:
        (Path(folder) / "outside").mkdir()
        (Path(folder) / "outside" / "kept").write_text("kept")
        (Path(folder) / "top").mkdir()
        yield Path(folder)
        remove_folder(Path(folder) / "top")


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def outside_is_whole(ground: Path) -> bool:
    outside = ground / "outside"
    mode = stat.S_IMODE(outside.stat().st_mode)
    return (outside / "kept").read_text() == "kept" and mode == 0o755


def test_folders_nested_deeper_than_any_path_are_removed(ground: Path) -> None:
    nest(ground / "top", DEEP, name="d" * 200)
    assert remove_folder(ground / "top")
    assert names_in(ground) == ["outside"]


def test_a_folder_without_any_permission_is_removed(ground: Path) -> None:
    shut = ground / "top" / "a" / "b"
    shut.mkdir(parents=True)
    (shut / "file").write_text("x")
    for folder in (shut, shut.parent, ground / "top"):
        folder.chmod(0)
    assert remove_folder(ground / "top")


def test_an_ordinary_user_empties_a_folder_without_any_permission() -> None:
    def emptied() -> bool:
        with TemporaryDirectory() as name:
            shut = Path(name, "a", "b")
            shut.mkdir(parents=True)
            (shut / "file").write_text("x")
            for folder in (shut, shut.parent, Path(name)):
                folder.chmod(0)
            return empty_folder(name) and names_in(Path(name)) == []

    assert as_an_ordinary_user(emptied)


def test_links_are_removed_and_what_they_point_to_stays(ground: Path) -> None:
    (ground / "top" / "folder").symlink_to(ground / "outside")
    (ground / "top" / "up").symlink_to("..")
    assert remove_folder(ground / "top")
    assert outside_is_whole(ground)


def test_a_link_in_the_place_of_the_folder_is_left_alone(ground: Path) -> None:
    (ground / "link").symlink_to(ground / "outside")
    assert not remove_folder(ground / "link")
    assert (ground / "link").is_symlink()
    assert outside_is_whole(ground)


def test_many_entries_of_every_kind_are_removed(ground: Path) -> None:
    for number in range(300):
        (ground / "top" / f"f{number}").touch()
        (ground / "top" / f"d{number}" / "e").mkdir(parents=True)
    os.mkfifo(ground / "top" / "pipe")
    os.link(ground / "outside" / "kept", ground / "top" / "hard")
    assert empty_folder(ground / "top")
    assert names_in(ground / "top") == []
    assert outside_is_whole(ground)


def test_what_can_not_be_removed_in_the_time_stays_and_is_told(ground: Path) -> None:
    nest(ground / "top", 50)
    assert not remove_folder(ground / "top", seconds=0.0)
    assert (ground / "top").is_dir()


def test_a_missing_folder_counts_as_removed(ground: Path) -> None:
    assert remove_folder(ground / "nothing")
    assert not empty_folder(ground / "nothing")


@dataclass
class Folder:
    inside: dict[str, "Folder | str"]
    mode: int


MODES = st.sampled_from([0, 0o500, 0o755])


def folders(inner: st.SearchStrategy[Folder | str]) -> st.SearchStrategy[Folder]:
    inside = st.dictionaries(st.sampled_from("abcde"), inner, max_size=4)
    return st.builds(Folder, inside, MODES)


KINDS: st.SearchStrategy[Folder | str] = st.sampled_from(["file", "link", "dangling", "pipe"])
TREES = st.recursive(KINDS, folders, max_leaves=20)


def build(place: Path, tree: Folder | str, outside: Path) -> None:
    match tree:
        case Folder(inside, mode):
            place.mkdir()
            for name, below in inside.items():
                build(place / name, below, outside)
            place.chmod(mode)
        case "link":
            place.symlink_to(outside)
        case "dangling":
            place.symlink_to("nowhere")
        case "pipe":
            os.mkfifo(place)
        case _:
            place.write_text("x")


@given(st.dictionaries(st.sampled_from("abc"), TREES, max_size=3))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_any_tree_is_removed(ground: Path, tree: dict[str, Folder | str]) -> None:
    place = ground / "tree"
    place.mkdir()
    for name, below in tree.items():
        build(place / name, below, ground / "outside")
    assert remove_folder(place)
    assert outside_is_whole(ground)


def test_stale_folders_of_ours_are_removed_and_everything_else_stays(ground: Path) -> None:
    for name in ("ours-old", "ours-young", "theirs-old"):
        nest(ground / name, 3)
    (ground / "ours-link").symlink_to(ground / "outside")
    for name in ("ours-old", "theirs-old", "ours-link"):
        os.utime(ground / name, (1, 1), follow_symlinks=False)
    remove_stale(ground, "ours-", 600.0)
    assert names_in(ground) == ["ours-link", "ours-young", "outside", "theirs-old", "top"]
    for name in ("ours-young", "theirs-old"):
        remove_folder(ground / name)


def test_the_folder_of_a_run_that_goes_on_is_not_stale_however_old_it_is() -> None:
    with run_folder() as folder:
        os.utime(folder.path, (0, 0))
        remove_stale(folder.path.parent, folder.path.name, 600.0)
        assert names_in(folder.path) == ["code", "scratch"]
    assert not folder.path.exists()


def test_the_folder_of_a_run_whose_process_was_killed_is_stale(ground: Path) -> None:
    left = ground / "atos-run-x"
    left.mkdir()
    child = os.fork()
    if child == 0:
        fcntl.flock(os.open(left, os.O_RDONLY), fcntl.LOCK_SH)
        os.utime(left, (0, 0))
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    remove_stale(ground, "atos-run-", 600.0)
    assert names_in(ground) == ["outside", "top"]
