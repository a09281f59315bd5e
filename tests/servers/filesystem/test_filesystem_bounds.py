"""No argument and no file makes a call take long, and an answer is certain before the disk changes."""

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atos_servers.filesystem import file_io, operations
from atos_servers.filesystem.edits import Edit
from atos_servers.filesystem.globs import globs
from atos_servers.filesystem.operations import Files
from atos_servers.filesystem.root import ConfinedRoot
from atos_servers.filesystem.tree_walk import TreeWalk, search
from atos_servers.host.confinement import Confinement
from doubles.attack_ground import allow_all


@pytest.fixture
def files(tmp_path: Path) -> Files:
    elsewhere = tmp_path.parent
    confinement = Confinement((tmp_path,), elsewhere / ".atos", elsewhere / "goals", elsewhere)
    return Files(confinement, list[str])


@pytest.fixture
def root(tmp_path: Path) -> Iterator[ConfinedRoot]:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.py").touch()
    with ConfinedRoot(tmp_path, allow_all) as root:
        yield root


def test_an_edit_whose_answer_fails_writes_nothing(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> str:
        raise MemoryError

    (tmp_path / "x").write_text("old")
    monkeypatch.setattr(operations, "unified_diff", failing)
    with pytest.raises(MemoryError):
        files.edit("x", [Edit("old", "new")])
    assert (tmp_path / "x").read_text() == "old"


@pytest.mark.timeout(20)
def test_a_large_file_with_recurring_lines_is_edited_in_one_call(
    files: Files, tmp_path: Path
) -> None:
    half = "".join(f"x = {n % 150}\n" for n in range(200_000))
    (tmp_path / "x").write_text(half + "last\n" + half)
    shown = files.edit("x", [Edit("last", "first")])
    assert shown.count("\n") == 13
    assert (tmp_path / "x").read_text() == half + "first\n" + half


def test_a_search_and_a_tree_that_take_too_much_work_are_cut_and_say_so(root: ConfinedRoot) -> None:
    every, none = globs(["**/*", "**"])
    assert search(root, (), every, []).cut is False
    assert search(root, (), every, [], seconds=-1.0).cut is True
    assert search(root, (), every, [none], seconds=-1.0).cut is True
    nodes = TreeWalk(root, [none], seconds=-1.0).nodes(())
    assert nodes == [{"name": "[cut: list a subfolder, or exclude more]", "type": "note"}]


LINES = st.lists(st.sampled_from([b"", b"a", b"bb", b"c" * 40]), max_size=30).map(b"\n".join)


@given(LINES, st.integers(1, 40), st.booleans())
def test_the_first_and_last_lines_are_those_of_the_whole_text(
    text: bytes, count: int, small: bool
) -> None:
    lines = text.split(b"\n")
    last = text.removesuffix(b"\n").split(b"\n")
    with pytest.MonkeyPatch.context() as patch, TemporaryFile() as file:
        patch.setattr(file_io, "BLOCK", 7 if small else 1 << 16)
        file.write(text)
        file.flush()
        assert file_io.head(file.fileno(), count, 1 << 20) == (b"\n".join(lines[:count]), False)
        assert file_io.tail(file.fileno(), count, 1 << 20) == (b"\n".join(last[-count:]), False)


@pytest.mark.timeout(20)
def test_lines_of_a_file_of_nothing_but_line_ends_are_found_within_the_limit(
    tmp_path: Path,
) -> None:
    (tmp_path / "ends").write_bytes(b"\n" * (8 << 20))
    handle = os.open(tmp_path / "ends", os.O_RDONLY)
    try:
        for take in (file_io.head, file_io.tail):
            assert len(take(handle, 7 << 20, 8 << 20).data) == (7 << 20) - 1
            assert take(handle, 7 << 20, 1 << 20) == (
                b"\n" * ((1 << 20) - (take is file_io.tail)),
                True,
            )
    finally:
        os.close(handle)
