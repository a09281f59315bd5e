"""Every byte and every name is reached, page by page, and no page is larger than a model's reply."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from inline_snapshot import snapshot

from atos_protocol.errors import BadRequestError
from atos_servers.filesystem import text_pages
from atos_servers.filesystem.listing import Lists
from atos_servers.filesystem.pages import FOR_MODELS, Reply, Room
from atos_servers.filesystem.protection import Grant
from atos_servers.filesystem.reading import Range, Reads
from atos_servers.filesystem.workspace import Workspace
from atos_servers.host.confinement import Confinement

SMALL = Room(120, escaped=True)


def workspace(folder: Path, room: Room = FOR_MODELS) -> Workspace:
    elsewhere = folder.parent
    confinement = Confinement((folder,), elsewhere / ".atos", elsewhere / "goals", elsewhere)
    return Workspace(confinement, list[Grant], room)


def all_pages(first: Reply, following: Callable[[str], Reply]) -> list[Reply]:
    replies = [first]
    while cursor := replies[-1].facts.get("nextCursor"):
        replies.append(following(cursor))
        assert len(replies) < 5_000
    return replies


def cost(reply: Reply) -> int:
    return len(json.dumps(reply.text, ensure_ascii=False).encode()) - 2


TEXTS = st.text(st.sampled_from('a\n\r\t"\\é€😀\x01 '), max_size=600)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(TEXTS, st.booleans())
def test_the_pages_of_a_text_are_the_text(tmp_path: Path, text: str, huge: bool) -> None:
    (tmp_path / "x").write_bytes(text.encode())
    reads = Reads(workspace(tmp_path, SMALL))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_pages, "WHOLE", 10 if huge else 8 << 20)
        pages = all_pages(reads.text("x"), lambda cursor: reads.text("x", Range(cursor=cursor)))
    assert "".join(page.text for page in pages) == text
    assert all(cost(page) <= SMALL.bytes for page in pages)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(st.sampled_from(["", "a", "é" * 30, "b" * 200]), min_size=1, max_size=30), st.data()
)
def test_any_range_of_lines_is_read(tmp_path: Path, lines: list[str], data: st.DataObject) -> None:
    (tmp_path / "x").write_text("\n".join(lines))
    reads = Reads(workspace(tmp_path, SMALL))
    first = data.draw(st.integers(1, len(lines)))
    count = data.draw(st.integers(1, len(lines)))
    pages = all_pages(
        reads.text("x", Range(head=count, start_line=first)),
        lambda cursor: reads.text("x", Range(cursor=cursor)),
    )
    assert "".join(page.text for page in pages) == "\n".join(lines[first - 1 :][:count])


def test_a_latin_1_file_is_read_page_by_page_too(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"caf\xe9\n" * 100)
    reads = Reads(workspace(tmp_path, SMALL))
    pages = all_pages(reads.text("x"), lambda cursor: reads.text("x", Range(cursor=cursor)))
    assert "".join(page.text for page in pages) == "café\n" * 100
    assert all(cost(page) <= SMALL.bytes for page in pages)


def test_a_page_says_what_the_file_is_and_how_to_go_on(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("one\r\n" * 100)
    assert Reads(workspace(tmp_path, SMALL)).text("x") == snapshot(
        Reply(
            text="""\
one\r
one\r
one\r
one\r
one\r
one\r
one\r
one\r
one\r
one\r
one\r
one\r
one\r
one\r
one\r
one\r
one\r
""",
            facts={
                "sha256": "d5a6d5828945279ea46d83d0468ed498f3bffc561433d13fad7f1b26651a4c6f",
                "lineEnding": "crlf",
                "encoding": "utf-8",
                "totalLines": 100,
                "size": 500,
                "nextCursor": "85:18",
            },
            note='[shown from line 1 to byte 85 of 100 lines, 500 bytes. Next: the same call with cursor="85:18"]',
        )
    )


@pytest.mark.parametrize("cursor", ["x", "1", "-1:2", "9999:1", "1:2:3:4", "²:1", "1" * 30 + ":1"])
def test_what_is_no_cursor_is_refused(tmp_path: Path, cursor: str) -> None:
    (tmp_path / "x").write_text("one\n")
    with pytest.raises(BadRequestError, match="not a cursor of this tool"):
        Reads(workspace(tmp_path)).text("x", Range(cursor=cursor))


@pytest.mark.parametrize("cursor", ["..", "../secret", "a/%2E%2E/%2e%2e/b", "./a", "a%00b"])
def test_no_walk_comes_by_the_folder_above(tmp_path: Path, cursor: str) -> None:
    lists = Lists(workspace(tmp_path))
    for walked in (
        lambda: lists.directory(".", cursor),
        lambda: lists.tree(".", (), cursor),
        lambda: lists.search(".", "**", (), cursor),
    ):
        with pytest.raises(BadRequestError, match="not a cursor of this tool"):
            walked()


def test_a_cursor_within_a_character_steps_back_to_its_beginning(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("€uro")
    texts = [Reads(workspace(tmp_path)).text("x", Range(cursor=f"{at}:1")).text for at in range(4)]
    assert texts == ["€uro", "€uro", "€uro", "uro"]


def test_a_line_behind_the_end_is_refused_with_the_number_of_lines(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("one\ntwo\n")
    with pytest.raises(BadRequestError, match="has 3 lines, and line 9 was requested"):
        Reads(workspace(tmp_path)).text("x", Range(start_line=9))


def test_all_bytes_of_a_binary_file_are_reached_in_parts(tmp_path: Path) -> None:
    data = os.urandom(1_000)
    (tmp_path / "x.bin").write_bytes(b"\0" + data)
    reads = Reads(workspace(tmp_path))
    import base64

    parts = [base64.b64decode(reads.media("x.bin", at, 300).data) for at in range(0, 1_001, 300)]
    assert b"".join(parts) == b"\0" + data


@pytest.fixture
def grove(tmp_path: Path) -> Path:
    """A tree with names that sort oddly, and one folder with many files."""
    for name in ("b/x", "b/y/z", "b.d/x", "a", "é/😀", 'q"uote/x', "c/empty"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "many").mkdir()
    for number in range(300):
        (tmp_path / "many" / f"f{number:03}").touch()
    (tmp_path / "hollow").mkdir()
    return tmp_path


def every_path(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def paths_of(nodes: list[dict[str, Any]], above: str = "") -> list[str]:
    found: list[str] = []
    for node in nodes:
        found += [
            above + node["name"],
            *paths_of(node.get("children", []), f"{above}{node['name']}/"),
        ]
    return found


def test_the_pages_of_a_tree_hold_every_entry(grove: Path) -> None:
    room = Room(2_000, escaped=True)
    lists = Lists(workspace(grove, room))
    pages = all_pages(lists.tree("."), lambda cursor: lists.tree(".", (), cursor))
    found = [paths_of(json.loads(page.text)) for page in pages]
    assert set().union(*found) == every_path(grove)
    files = [path for paths in found for path in paths if (grove / path).is_file()]
    assert len(files) == len(set(files))
    assert all(cost(page) <= room.bytes for page in pages)
    assert len(pages) > 5


def test_the_pages_of_a_search_hold_every_match_once(grove: Path) -> None:
    lists = Lists(workspace(grove, Room(1_000, escaped=True)))
    pages = all_pages(
        lists.search(".", "**/*"), lambda cursor: lists.search(".", "**/*", (), cursor)
    )
    rows = [row for page in pages for row in page.text.splitlines()]
    assert sorted(rows) == sorted(str(grove / path) for path in every_path(grove))
    assert all(cost(page) <= 1_000 for page in pages)


@pytest.mark.parametrize("tool", ["directory", "with_sizes"])
def test_the_pages_of_a_folder_hold_every_name_once(grove: Path, tool: str) -> None:
    lists = Lists(workspace(grove, Room(1_500, escaped=True)))
    operation = getattr(lists, tool)
    pages = all_pages(operation("many"), lambda cursor: operation("many", cursor=cursor))
    names = [row.split()[1] for page in pages for row in page.text.splitlines() if "[FILE]" in row]
    assert names == sorted(path.name for path in (grove / "many").iterdir())
    assert all(cost(page) <= 1_500 for page in pages)


def test_what_is_excluded_is_excluded_on_every_page(grove: Path) -> None:
    lists = Lists(workspace(grove, Room(1_000, escaped=True)))
    pages = all_pages(
        lists.search(".", "**/*", ["many", "y"]),
        lambda cursor: lists.search(".", "**/*", ["many", "y"], cursor),
    )
    rows = {row for page in pages for row in page.text.splitlines()}
    wanted = {p for p in every_path(grove) if not p.startswith(("many", "b/y"))}
    assert rows == {str(grove / path) for path in wanted}
