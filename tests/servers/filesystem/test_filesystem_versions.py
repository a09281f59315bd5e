"""What the tools change can be seen and undone; conditions and quotas are kept."""

import hashlib
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from threading import Barrier, Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from atos_protocol.errors import AtosError, BadRequestError, ConflictError, NotFoundError
from atos_servers.filesystem.changing import Changes, Condition
from atos_servers.filesystem.comparison import spans_between
from atos_servers.filesystem.edits import Edit
from atos_servers.filesystem.errors import (
    ChangedError,
    ExistsError,
    FailedError,
    HardlinkError,
    ProtectedError,
    QuotaError,
)
from atos_servers.filesystem.journal import Change, Journal
from atos_servers.filesystem.protection import Grant
from atos_servers.filesystem.quotas import HOUR, MINUTE, Limits, Quotas
from atos_servers.filesystem.reading import Reads, moment
from atos_servers.filesystem.replacements import Span
from atos_servers.filesystem.versions import Versions
from atos_servers.filesystem.workspace import Workspace
from atos_servers.host.confinement import Confinement


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ws").mkdir()
    return tmp_path / "ws"


@pytest.fixture
def workspace(folder: Path) -> Workspace:
    above = folder.parent
    confinement = Confinement((folder,), above / ".atos", above / "goals", above)
    return Workspace(
        confinement, list[Grant], journal=Journal(above / "journal.db"), quotas=Quotas()
    )


def rows(reply: str) -> list[list[str]]:
    """Return number, kind and path of the changes in a history."""
    return [[row.split()[0], *row.split()[2:]] for row in reply.splitlines()]


def test_every_kind_of_change_is_in_the_history_and_is_undone(
    workspace: Workspace, folder: Path
) -> None:
    changes, versions = Changes(workspace), Versions(workspace)
    changes.make_directory("sub")
    changes.write("sub/x", "one\n")
    changes.write("sub/x", "two\n")
    changes.edit("sub/x", [Edit("two", "three")])
    changes.append("sub/x", "four\n")
    changes.move("sub/x", "y")
    changes.delete("y")
    assert rows(versions.history().text) == snapshot(
        [
            ["6", "delete", "y"],
            ["5", "move", "sub/x", "->", f"{folder}/y"],
            ["4", "append", "sub/x"],
            ["3", "edit", "sub/x"],
            ["2", "write", "sub/x"],
            ["1", "create", "sub/x"],
        ]
    )
    contents = list[str]()
    for number in range(6, 0, -1):
        versions.undo(number)
        found = [path for path in (folder / "sub/x", folder / "y") if path.exists()]
        contents += [f"{path.name}: {path.read_text()!r}" for path in found] or ["nothing"]
    assert contents == snapshot(
        [
            "y: 'three\\nfour\\n'",
            "x: 'three\\nfour\\n'",
            "x: 'three\\n'",
            "x: 'two\\n'",
            "x: 'one\\n'",
            "nothing",
        ]
    )
    numbers = [12, 11, 10, 9, 5, 4, 3, 2, 1]
    assert versions.history("sub/x").facts == versions.history("sub").facts == {"changes": numbers}


def test_a_file_that_is_brought_back_has_the_mode_that_it_had(
    workspace: Workspace, folder: Path
) -> None:
    for mode in (0o600, 0o755):
        (folder / "x").write_text("x")
        (folder / "x").chmod(mode)
        Changes(workspace).delete("x")
        Versions(workspace).undo(Versions(workspace).history("x").facts["changes"][0])
        assert (folder / "x").stat().st_mode & 0o777 == mode
        (folder / "x").unlink()


@pytest.mark.parametrize(("mask", "mode"), [(0o077, 0o600), (0o022, 0o644), (0o002, 0o664)])
def test_a_new_file_has_the_mode_that_the_persons_umask_gives(
    workspace: Workspace, folder: Path, mask: int, mode: int
) -> None:
    before = os.umask(mask)
    try:
        Changes(workspace).write("x", "x")
    finally:
        os.umask(before)
    assert (folder / "x").stat().st_mode & 0o777 == mode


def test_a_journal_that_could_not_be_opened_is_opened_once_there_is_room(tmp_path: Path) -> None:
    journal, file = Journal(tmp_path / "journal.db"), tmp_path / "journal.db"
    file.write_bytes(b"no database" * 100)
    for use in (
        lambda: journal.of("/"),
        lambda: journal.add(CHANGE, b""),
        lambda: journal.find(["/"], 1),
    ):
        with pytest.raises(FailedError, match=r"the journal .* can't be used"):
            use()
    file.unlink()
    assert journal.add(CHANGE, b"") == 1
    assert journal.of("/ws") == [CHANGE._replace(id=1)]


CHANGE = Change(0, 1.0, "/ws", "x", "write", "", "")


def test_a_move_that_can_not_be_noted_is_not_made(workspace: Workspace, folder: Path) -> None:
    (folder / "x").write_text("x")
    (folder.parent / "journal.db").mkdir()
    with pytest.raises(FailedError, match="nothing was changed"):
        Changes(workspace).move("x", "y")
    assert [path.name for path in folder.iterdir()] == ["x"]


def test_an_undo_does_not_take_back_what_came_later(workspace: Workspace, folder: Path) -> None:
    changes, versions = Changes(workspace), Versions(workspace)
    changes.write("x", "one")
    changes.write("x", "two")
    (folder / "x").write_text("by hand")
    with pytest.raises(ChangedError, match="was changed since change 2"):
        versions.undo(2)
    (folder / "x").write_text("one")
    with pytest.raises(ConflictError, match="is what it was before change 2 already"):
        versions.undo(2)
    assert (folder / "x").read_text() == "one"


def test_a_change_of_another_directory_is_not_seen(workspace: Workspace, tmp_path: Path) -> None:
    Changes(workspace).write("x", "one")
    (tmp_path / "other").mkdir()
    confinement = Confinement((tmp_path / "other",), tmp_path / ".atos", tmp_path, tmp_path)
    other = Versions(Workspace(confinement, list[Grant], journal=workspace.journal))
    assert other.history().text == "No changes are known"
    with pytest.raises(NotFoundError, match="no change 1 in the allowed directories"):
        other.undo(1)


def test_the_content_of_a_file_with_a_name_outside_is_in_no_history(
    workspace: Workspace, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("SECRET")
    (folder / "x").hardlink_to(tmp_path / "secret")
    changes, versions = Changes(workspace), Versions(workspace)
    with pytest.raises(HardlinkError):
        changes.append("x", "more")
    changes.write("x", "mine")
    with pytest.raises(NotFoundError, match="no longer kept"):
        versions.diff("x")
    with pytest.raises(NotFoundError, match="no longer kept"):
        versions.undo(1)
    assert (tmp_path / "secret").read_text() == "SECRET"


def test_a_diff_shows_what_became_of_a_file(workspace: Workspace) -> None:
    changes, versions = Changes(workspace), Versions(workspace)
    changes.write("x", "one\ntwo\nthree\n")
    changes.write("x", "one\n2\nthree\nfour\n")
    shown = versions.diff("x").text
    assert shown == snapshot("""\
```diff
--- a/x
+++ b/x
@@ -1,3 +1,4 @@
 one
-two
+2
 three
+four
```
""")
    assert versions.diff("x", change=2).text == shown
    changes.write("y", "one\ntwo\nthree\n")
    assert versions.diff("x", other="y").text == shown
    with pytest.raises(BadRequestError, match="change 3 is one of y, not of x"):
        versions.diff("x", change=3)


def test_the_oldest_contents_are_forgotten_when_there_is_too_much(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db", kept_bytes=2_500)
    for number in range(200):
        change = Change(0, float(number), "/ws", "x", "write", f"{number}", f"{number + 1}")
        journal.add(change, bytes(1_000))
    kept = [
        change.id for change in journal.of("/ws", most=300) if journal.content_before(change.id)
    ]
    assert max(kept) == 200
    assert len(kept) <= 66
    assert len(journal.of("/ws", most=300)) == 200
    assert (tmp_path / "journal.db").stat().st_mode & 0o777 == 0o600


SHA = hashlib.sha256(b"one").hexdigest()


@pytest.mark.parametrize("kind", ["write", "append", "edit", "delete"])
def test_a_change_is_made_only_to_what_the_client_has_read(
    workspace: Workspace, folder: Path, kind: str
) -> None:
    changes = Changes(workspace)
    made: dict[str, Callable[[Condition], object]] = {
        "write": lambda condition: changes.write("x", "new", condition),
        "append": lambda condition: changes.append("x", "new", condition),
        "edit": lambda condition: changes.edit("x", [Edit("one", "new")], condition=condition),
        "delete": lambda condition: changes.delete("x", condition),
    }
    (folder / "x").write_text("one")
    for wrong in ("0" * 64, hashlib.sha256(b"two").hexdigest()):
        with pytest.raises(ChangedError):
            made[kind](Condition(wrong))
    with pytest.raises(BadRequestError, match="no SHA-256 of 64 hexadecimal digits"):
        made[kind](Condition("abc"))
    assert (folder / "x").read_text() == "one"
    made[kind](Condition(SHA.upper()))
    assert not (folder / "x").exists() or (folder / "x").read_text() != "one"


def test_a_file_that_is_to_be_new_replaces_nothing(workspace: Workspace, folder: Path) -> None:
    changes = Changes(workspace)
    changes.write("x", "one", Condition(new=True))
    with pytest.raises(ExistsError):
        changes.write("x", "two", Condition(new=True))
    assert (folder / "x").read_text() == "one"


def test_a_reply_says_what_the_file_is_now(workspace: Workspace) -> None:
    facts = Changes(workspace).write("x", "one\r\ntwo").facts
    assert {**facts, "size": 8} == Reads(workspace).text("x").facts
    assert facts == snapshot(
        {
            "sha256": "29a776bb35efe730dabb1b1d3ad74dbf80cc3e9009e168241798ea73adca3dcf",
            "lineEnding": "crlf",
            "encoding": "utf-8",
            "totalLines": 2,
        }
    )


def test_a_time_that_no_calendar_has_is_shown_as_seconds() -> None:
    moments = (0.5, 1e15, -1e15)
    assert [moment(each) for each in moments] == snapshot(
        [
            "1970-01-01T00:00:00.500+00:00",
            "1000000000000000 s since 1970",
            "-1000000000000000 s since 1970",
        ]
    )


def test_appending_keeps_the_encoding_of_the_file(workspace: Workspace, folder: Path) -> None:
    (folder / "x").write_bytes(b"caf\xe9\n")
    Changes(workspace).append("x", "thé\n")
    assert (folder / "x").read_bytes() == b"caf\xe9\nth\xe9\n"
    with pytest.raises(AtosError, match="does not fit"):
        Changes(workspace).append("x", "→")


@pytest.mark.timeout(60)
def test_clients_who_change_different_lines_of_one_file_all_succeed(
    workspace: Workspace, folder: Path
) -> None:
    clients, edits = 4, 25
    names = [f"{client}-{edit}" for client in range(clients) for edit in range(edits)]
    (folder / "x").write_text("".join(f"old {name};\n" for name in names))
    together, failed = Barrier(clients), list[Exception]()

    def edit_all(client: int) -> None:
        together.wait()
        for number in range(edits):
            name = f"{client}-{number}"
            try:
                Changes(workspace).edit("x", [Edit(f"old {name};", f"new {name};")])
            except Exception as error:  # noqa: BLE001 - shown below
                failed.append(error)

    threads = [Thread(target=edit_all, args=(client,)) for client in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert (folder / "x").read_text() == "".join(f"new {name};\n" for name in names)


def test_nothing_is_changed_in_a_read_only_directory(folder: Path, tmp_path: Path) -> None:
    (folder / "ro").mkdir()
    (folder / "ro" / "x").write_text("one")
    confinement = Confinement(
        (folder,), tmp_path / ".atos", tmp_path / "goals", tmp_path, read_only=(folder / "ro",)
    )
    workspace = Workspace(confinement, list[Grant])
    changes = Changes(workspace)
    attempts: list[Callable[[], object]] = [
        lambda: changes.write("ro/x", "two"),
        lambda: changes.append("ro/x", "two"),
        lambda: changes.edit("ro/x", [Edit("one", "two")]),
        lambda: changes.delete("ro/x"),
        lambda: changes.move("ro/x", "x"),
        lambda: changes.move("ro", "rw"),
        lambda: changes.make_directory("ro/sub"),
        lambda: changes.write("ro/new", "two"),
    ]
    for attempt in attempts:
        with pytest.raises(ProtectedError, match="may only be read"):
            attempt()
    assert Reads(workspace).text("ro/x").text == "one"
    assert [path.name for path in (folder / "ro").iterdir()] == ["x"]


def test_a_folder_is_not_moved_to_where_its_files_would_be_run(
    workspace: Workspace, folder: Path
) -> None:
    changes = Changes(workspace)
    changes.make_directory("v")
    changes.write("v/tasks.json", "{}")
    changes.make_directory("g/workflows")
    changes.write("g/workflows/ci.yml", "")
    for source, destination in (("v", ".vscode"), ("g", ".github"), ("v", ".husky")):
        with pytest.raises(ProtectedError):
            changes.move(source, destination)
    assert sorted(path.name for path in folder.iterdir()) == ["g", "v"]


def test_a_folder_that_is_not_empty_stays(workspace: Workspace, folder: Path) -> None:
    changes = Changes(workspace)
    changes.make_directory("a/b")
    with pytest.raises(ExistsError):
        changes.delete("a")
    changes.delete("a/b")
    assert list((folder / "a").iterdir()) == []


def test_a_model_in_a_loop_is_stopped_by_its_quotas() -> None:
    quotas = Quotas(Limits(changes_a_minute=3, bytes_an_hour=100, files_an_hour=2))
    quotas.charge("/ws", 0.0, 40, new=True)
    quotas.charge("/ws", 1.0, 40, new=True)
    with pytest.raises(QuotaError, match="3 new files and folders in 60 min are more than the 2"):
        quotas.charge("/ws", 2.0, 1, new=True)
    with pytest.raises(QuotaError, match="121 bytes in 60 min are more than the 100 allowed"):
        quotas.charge("/ws", 2.0, 41, new=False)
    quotas.charge("/ws", 2.0, 0, new=False)
    with pytest.raises(QuotaError, match="4 changes in 1 min are more than the 3 allowed"):
        quotas.charge("/ws", 3.0, 0, new=False)
    quotas.charge("/elsewhere", 3.0, 100, new=True)
    quotas.charge("/ws", 2.0 + MINUTE, 20, new=False)
    quotas.charge("/ws", 2.0 + HOUR, 80, new=True)


def test_a_change_beyond_the_quota_is_not_made(folder: Path, tmp_path: Path) -> None:
    confinement = Confinement((folder,), tmp_path / ".atos", tmp_path / "goals", tmp_path)
    limited = Workspace(confinement, list[Grant], quotas=Quotas(Limits(bytes_an_hour=5)))
    changes = Changes(limited)
    changes.write("x", "12345")
    with pytest.raises(QuotaError):
        changes.write("x", "1")
    assert (folder / "x").read_text() == "12345"


LINES = st.lists(st.sampled_from([b"a", b"b", b"c", b"", b"\r", b"dd"]), max_size=40)


@given(LINES, LINES, st.booleans())
def test_the_places_that_differ_turn_one_content_into_the_other(
    before: list[bytes], after: list[bytes], ends: bool
) -> None:
    old, new = b"\n".join(before) + b"\n" * ends, b"\n".join(after)
    made, at = b"", 0
    for span in spans_between(old, new):
        made += old[at : span.start] + new[span.new_start : span.new_end]
        at = span.end
    assert made + old[at:] == new


@pytest.mark.timeout(10)
def test_large_contents_are_compared_at_once() -> None:
    before = b"".join(b"%d\nsame\n" % number for number in range(200_000))
    after = before.replace(b"100000\n", b"changed\n").replace(b"\n5\n", b"\n\n")
    spans = spans_between(before, after)
    assert [before[span.start : span.end] for span in spans] == [b"5\n", b"100000\n"]


@pytest.mark.timeout(10)
def test_comparing_contents_of_many_lines_takes_a_few_times_their_size() -> None:
    before = b"a\n" * (4 << 20)
    after = before[:-2] + b"b\n"
    tracemalloc.start()
    try:
        spans = spans_between(before, after)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert spans == [Span(len(before) - 2, len(before), len(before) - 2, len(after))]
    assert peak < 8 * len(before)
