"""Searching contents: what is found, page by page, and that no pattern outlives its deadline."""

from pathlib import Path

import pytest
from inline_snapshot import snapshot

from atos_protocol.errors import BadRequestError, NotFoundError
from atos_servers.filesystem.grep import grep
from atos_servers.filesystem.grep_process import Request
from doubles.attack_ground import AttackGround


def request(root: Path, pattern: str, **fields: object) -> Request:
    whole = Request(str(root), (), pattern, "", [], False, False, 0, 20_000, "")
    return whole._replace(**fields)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "main.py").write_text("import os\n\ndef main():\n    return os.name\n")
    (tmp_path / "notes.md").write_text("Main things\r\nlast (maybe)")
    (tmp_path / "latin").write_bytes(b"caf\xe9 main\n")
    (tmp_path / "binary").write_bytes(b"\0main\n")
    return tmp_path


async def test_lines_are_found_with_their_files_and_numbers(folder: Path) -> None:
    assert (await grep(request(folder, "main"))).text == snapshot(
        "latin:1: café main\nsrc/main.py:3: def main():"
    )
    assert (
        await grep(request(folder, "^main", ignore_case=True))
    ).text == "notes.md:1: Main things"
    assert (await grep(request(folder, "(maybe)", literal=True))).text == "notes.md:2: last (maybe)"
    assert (await grep(request(folder, "nowhere"))).text == "No matches found"
    assert (await grep(request(folder, "os", glob="*.md"))).text == "No matches found"
    assert "main.py" in (await grep(request(folder, "os", glob="*.py"))).text


async def test_the_lines_around_a_match_are_shown(folder: Path) -> None:
    assert (await grep(request(folder, "def", context=1))).text == snapshot(
        "src/main.py:2- \nsrc/main.py:3: def main():\nsrc/main.py:4-     return os.name"
    )


async def test_the_pages_of_a_search_hold_every_match_once(folder: Path) -> None:
    many = folder / "many"
    many.mkdir()
    for number in range(50):
        (many / f"f{number:02}").write_text(f"needle {number}\n")
    (many / "long").write_text("".join(f"{n} needle\n" for n in range(100)))
    asked, found = request(folder, "needle", most=200), list[str]()
    reply = await grep(asked)
    found += reply.text.splitlines()
    while cursor := reply.facts.get("nextCursor"):
        reply = await grep(asked._replace(cursor=cursor))
        found += [row for row in reply.text.splitlines() if row != "No matches found"]
    short = [f"many/f{number:02}:1: needle {number}" for number in range(50)]
    assert found == [*short, *(f"many/long:{n + 1}: {n} needle" for n in range(100))]


async def test_a_search_does_not_go_on_in_the_folder_above(folder: Path) -> None:
    (folder / "secret").write_text("SECRET\n")
    asked = request(folder / "src", "SECRET", cursor="../secret#1")
    with pytest.raises(BadRequestError, match="not a cursor of this tool"):
        await grep(asked)


@pytest.mark.parametrize("pattern", ["(", "a{99999999999}", "*", "(?P<x>a)(?P<x>b)", "\\"])
async def test_what_is_no_pattern_is_refused(folder: Path, pattern: str) -> None:
    with pytest.raises(BadRequestError, match="is no regular expression"):
        await grep(request(folder, pattern))


@pytest.mark.timeout(30)
async def test_a_pattern_that_backtracks_without_end_is_killed(folder: Path) -> None:
    (folder / "a-trap").write_text("a" * 60 + "!\n")
    with pytest.raises(BadRequestError, match="took too long without getting through one file"):
        await grep(request(folder, "(a|a)*b", glob="a-trap"), seconds=1.0)


@pytest.mark.timeout(30)
async def test_what_was_found_before_the_deadline_is_kept(folder: Path) -> None:
    (folder / "a-first").write_text("aab\n")
    (folder / "b-trap").write_text("a" * 60 + "!\n")
    reply = await grep(request(folder, "(a|a)*b"), seconds=1.5)
    assert (reply.text, reply.facts) == ("a-first:1: aab", {"nextCursor": "a-first"})


async def test_a_search_reads_nothing_outside(tmp_path: Path) -> None:
    ground = AttackGround(tmp_path)
    ground.lay_out()
    reply = await grep(request(ground.inside, "SECRET|good"))
    assert reply.text == "good.txt:1: good"
    for start in (("to-folder",), ("root", "etc")):
        with pytest.raises(Exception, match=r"leaves the allowed directories|not a directory"):
            await grep(request(ground.inside, "SECRET", start=start))
    with pytest.raises(NotFoundError):
        await grep(request(ground.inside, "x", start=("missing",)))


async def test_the_request_is_data_and_no_command_line(folder: Path) -> None:
    pattern = '"; import os; os.abort() #\n--help'
    assert (await grep(request(folder, pattern, literal=True))).text == "No matches found"
