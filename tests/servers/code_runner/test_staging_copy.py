"""Staging: what is copied, what is left out, and what a link can't reach."""

import os
import socket
from pathlib import Path

import pytest

from atos_protocol.errors import BadRequestError, WorkspaceError
from atos_servers.code_runner import staging
from atos_servers.code_runner.requests import checked_targets, relative_path


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path, Path]:
    root, outside, copy = (tmp_path / name for name in ("root", "outside", "copy"))
    for folder in (root, outside, copy):
        folder.mkdir()
    (outside / "secret.txt").write_text("secret")
    return root, outside, copy


def names_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_folder_is_copied_without_what_does_not_belong_to_the_code(
    folders: tuple[Path, Path, Path],
) -> None:
    root, _, copy = folders
    for name in ("a.py", "sub/b.py", ".git/config", "__pycache__/a.pyc", ".venv/x.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    staging.stage_folder(root, [root], copy)
    assert names_in(copy) == ["a.py", "sub", "sub/b.py"]
    assert (copy / "sub/b.py").read_text() == "sub/b.py"


def test_links_and_special_files_are_left_out(folders: tuple[Path, Path, Path]) -> None:
    root, outside, copy = folders
    (root / "file").symlink_to(outside / "secret.txt")
    (root / "folder").symlink_to(outside)
    (root / "loop").symlink_to(root)
    os.mkfifo(root / "pipe")
    door = socket.socket(socket.AF_UNIX)
    door.bind(str(root / "s"))
    door.close()
    (root / "kept.py").write_text("")
    staging.stage_folder(root, [root], copy)
    assert names_in(copy) == ["kept.py"]


@pytest.mark.parametrize("way", ["../outside", "/etc", "link", "root/../outside"])
def test_no_path_leads_out_of_the_roots(way: str, folders: tuple[Path, Path, Path]) -> None:
    root, outside, copy = folders
    (root / "link").symlink_to(outside)
    with pytest.raises(WorkspaceError):
        staging.stage_folder(root / way, [root], copy)
    assert names_in(copy) == []


def test_a_sibling_that_shares_the_roots_prefix_is_outside(tmp_path: Path) -> None:
    (tmp_path / "ws").mkdir()
    (tmp_path / "ws-evil").mkdir()
    with pytest.raises(WorkspaceError):
        staging.stage_folder(tmp_path / "ws-evil", [tmp_path / "ws"], tmp_path / "ws")


def test_a_single_file_is_not_followed_through_a_link(folders: tuple[Path, Path, Path]) -> None:
    root, outside, copy = folders
    (root / "link.py").symlink_to(outside / "secret.txt")
    with pytest.raises(WorkspaceError):
        staging.stage_file(root / "link.py", [root], copy)


def test_a_relative_path_counts_from_the_first_root(folders: tuple[Path, Path, Path]) -> None:
    root, _, copy = folders
    (root / "sub").mkdir()
    (root / "sub/a.py").write_text("")
    staging.stage_folder(Path("sub"), [root], copy)
    assert names_in(copy) == ["a.py"]


def test_too_many_files_are_an_error_with_numbers(folders: tuple[Path, Path, Path]) -> None:
    root, _, copy = folders
    for number in range(staging.MOST_FILES + 1):
        (root / f"{number}.py").touch()
    with pytest.raises(WorkspaceError, match="more than 2000 files or 32 MiB"):
        staging.stage_folder(root, [root], copy)


def test_too_many_bytes_are_an_error_before_they_are_read(
    folders: tuple[Path, Path, Path],
) -> None:
    root, _, copy = folders
    with (root / "huge").open("wb") as huge:
        huge.truncate(staging.MOST_BYTES + 1)
    with pytest.raises(WorkspaceError, match="32 MiB"):
        staging.stage_folder(root, [root], copy)


def test_too_deep_a_tree_is_an_error(folders: tuple[Path, Path, Path]) -> None:
    root, _, copy = folders
    (root / "/".join(["d"] * (staging.DEEPEST + 2))).mkdir(parents=True)
    with pytest.raises(WorkspaceError, match="nested"):
        staging.stage_folder(root, [root], copy)


def test_an_overlay_replaces_and_adds_files(folders: tuple[Path, Path, Path]) -> None:
    root, _, copy = folders
    (root / "a.py").write_text("old")
    staging.stage_folder(root, [root], copy)
    staging.put(copy, {"a.py": "new", "sub/b.py": "more"})
    assert ((copy / "a.py").read_text(), (copy / "sub/b.py").read_text()) == ("new", "more")
    assert (root / "a.py").read_text() == "old"


@pytest.mark.parametrize(
    "name", ["/etc/x", "../x", "a/../../x", "", ".", "a\0b", "a\nb", "x" * 500]
)
def test_an_overlay_stays_in_the_copy(name: str, folders: tuple[Path, Path, Path]) -> None:
    with pytest.raises(BadRequestError):
        staging.put(folders[2], {name: ""})


def test_a_target_is_a_path_and_never_an_option() -> None:
    assert checked_targets(["t.py::test_a[x-..-y]", "sub"]) == ("t.py::test_a[x-..-y]", "sub")
    for odd in ("../t.py", "/t.py", "::test_a"):
        with pytest.raises(BadRequestError):
            checked_targets([odd])
    assert str(relative_path("-p")) == "-p"  # handed over behind `--`
