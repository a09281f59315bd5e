"""No argument and no file makes a call take long, and an answer is certain before the disk changes."""

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atos_servers.filesystem import changing, file_io
from atos_servers.filesystem.changing import Changes
from atos_servers.filesystem.edits import Edit
from atos_servers.filesystem.globs import globs
from atos_servers.filesystem.pages import FOR_MODELS
from atos_servers.filesystem.protection import Grant
from atos_servers.filesystem.root import ConfinedRoot
from atos_servers.filesystem.tree_walk import search, tree
from atos_servers.filesystem.workspace import Workspace
from atos_servers.host.confinement import Confinement
from doubles.attack_ground import allow_all


@pytest.fixture
def files(tmp_path: Path) -> Changes:
    elsewhere = tmp_path.parent
    confinement = Confinement((tmp_path,), elsewhere / ".atos", elsewhere / "goals", elsewhere)
    return Changes(Workspace(confinement, list[Grant]))


@pytest.fixture
def root(tmp_path: Path) -> Iterator[ConfinedRoot]:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.py").touch()
    with ConfinedRoot(tmp_path, allow_all) as root:
        yield root


def test_an_edit_whose_answer_fails_writes_nothing(
    files: Changes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> str:
        raise MemoryError

    (tmp_path / "x").write_text("old")
    monkeypatch.setattr(changing, "unified_diff", failing)
    with pytest.raises(MemoryError):
        files.edit("x", [Edit("old", "new")])
    assert (tmp_path / "x").read_text() == "old"


@pytest.mark.timeout(20)
def test_a_large_file_with_recurring_lines_is_edited_in_one_call(
    files: Changes, tmp_path: Path
) -> None:
    half = "".join(f"x = {n % 150}\n" for n in range(200_000))
    (tmp_path / "x").write_text(half + "last\n" + half)
    shown = files.edit("x", [Edit("last", "first")]).text
    assert shown.count("\n") == 13
    assert (tmp_path / "x").read_text() == half + "first\n" + half


def test_a_search_and_a_tree_that_take_too_much_work_say_where_to_go_on(root: ConfinedRoot) -> None:
    every, none = globs(["**/*", "**"])
    whole = search(root, (), every, [], FOR_MODELS)
    assert whole == ([("sub",), ("sub", "a.py")], None)
    first = search(root, (), every, [], FOR_MODELS, seconds=-1.0)
    assert first == ([("sub",)], ("sub",))
    assert search(root, (), every, [], FOR_MODELS, ("sub",)) == ([("sub", "a.py")], None)
    assert search(root, (), every, [none], FOR_MODELS) == ([], None)
    nested = [{"name": "sub", "type": "directory", "children": list[object]()}]
    assert tree(root, (), [], FOR_MODELS, seconds=-1.0) == (nested, ("sub",))


LINES = st.lists(st.sampled_from([b"", b"a", b"bb", b"c" * 40]), max_size=30).map(b"\n".join)


@given(LINES, st.integers(1, 40), st.booleans())
def test_the_last_lines_are_those_of_the_whole_text(text: bytes, count: int, small: bool) -> None:
    last = text.removesuffix(b"\n").split(b"\n")
    with pytest.MonkeyPatch.context() as patch, TemporaryFile() as file:
        patch.setattr(file_io, "BLOCK", 7 if small else 1 << 16)
        file.write(text)
        file.flush()
        start = file_io.tail_start(file.fileno(), count, 1 << 20)
        assert text[start:].removesuffix(b"\n") == b"\n".join(last[-count:])


@pytest.mark.timeout(20)
def test_lines_of_a_file_of_nothing_but_line_ends_are_found_within_the_limit(
    tmp_path: Path,
) -> None:
    (tmp_path / "ends").write_bytes(b"\n" * (8 << 20))
    handle = os.open(tmp_path / "ends", os.O_RDONLY)
    try:
        assert file_io.tail_start(handle, 7 << 20, 8 << 20) == 1 << 20
        assert file_io.tail_start(handle, 7 << 20, 1 << 20) == 7 << 20
    finally:
        os.close(handle)
