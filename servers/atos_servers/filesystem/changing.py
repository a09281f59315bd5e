"""The operations that change files and folders; each is noted in the journal before it happens."""

from __future__ import annotations

import stat
from collections.abc import Callable, Sequence
from typing import NamedTuple

from atos_protocol.errors import BadRequestError
from atos_servers.filesystem.edits import Edit, Edited, apply, decode, unified_diff
from atos_servers.filesystem.errors import ChangedError, NotTextError, TooBigError
from atos_servers.filesystem.pages import Reply
from atos_servers.filesystem.paths import RootedPath
from atos_servers.filesystem.present import Present
from atos_servers.filesystem.root import ConfinedRoot
from atos_servers.filesystem.text_pages import facts_of
from atos_servers.filesystem.tree_walk import walk
from atos_servers.filesystem.workspace import Workspace, check_sha256

ATTEMPTS = 5
"""How often an edit is applied anew when a program outside ATOS got in between."""
MOVED_ENTRIES = 20_000
"""Most names below a folder that is moved: each is held against what is protected."""


class Condition(NamedTuple):
    """What must be true of a file for it to be changed."""

    sha256: str = ""
    """The hash of its content; "" for any."""
    new: bool = False
    """It must not exist."""


class Changes:
    """The changing operations of one connection."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def write(self, path: str, content: str, condition: Condition = Condition()) -> Reply:  # noqa: B008
        """Create or replace a file."""
        data = _bytes(content)
        if condition.sha256 and condition.new:
            message = "create_only and expect_sha256 can't be given together"
            raise BadRequestError(message, next_step="Give one of them.")

        def whole(before: Present) -> bytes:
            check_sha256(condition.sha256, before)
            return data

        with self._workspace.at(path) as (root, place):
            note = self._workspace.noting(place.root, "write")
            root.change(place.parts, whole, note=note, new=condition.new)
        return Reply(f"Successfully wrote to {path}", _facts(data))

    def append(self, path: str, content: str, condition: Condition = Condition()) -> Reply:  # noqa: B008
        """Add text at the end of a file; create it if there is none."""
        made = b""

        def longer(before: Present) -> bytes:
            nonlocal made
            check_sha256(condition.sha256, before)
            there = before.content() if before.exists else b""
            made = there + _in_the_encoding_of(there, content, before.shown)
            return made

        with self._workspace.at(path) as (root, place):
            root.change(place.parts, longer, note=self._workspace.noting(place.root, "append"))
        return Reply(f"Successfully appended to {path}", _facts(made))

    def edit(
        self,
        path: str,
        edits: Sequence[Edit],
        *,
        dry_run: bool = False,
        condition: Condition = Condition(),  # noqa: B008
    ) -> Reply:
        """Replace texts that occur exactly once; return the change as a diff.

        It is computed while the file is held, so two clients who change different lines both succeed.
        """
        result: tuple[str, Edited] = ("", Edited(b"", []))

        def edited(before: Present) -> bytes | None:
            nonlocal result
            check_sha256(condition.sha256, before)
            data = before.content()
            made = apply(data, edits, path)
            result = unified_diff(data, made, path), made  # certain before anything is written
            return None if dry_run or made.data == data else made.data

        with self._workspace.at(path) as (root, place):
            if dry_run:
                edited(Present(place.shown, root.read(place.parts), links=1))
            else:
                self._until_undisturbed(root, place, edited)
        shown, made = result
        notes = "".join(f"[{note}]\n" for note in made.notes)
        return Reply(shown, _facts(made.data), notes.rstrip("\n"))

    def _until_undisturbed(
        self, root: ConfinedRoot, place: RootedPath, edited: Callable[[Present], bytes | None]
    ) -> None:
        note = self._workspace.noting(place.root, "edit")
        for left in reversed(range(ATTEMPTS)):
            try:
                return root.change(place.parts, edited, note=note)
            except ChangedError:
                if not left:
                    raise

    def delete(self, path: str, condition: Condition = Condition()) -> Reply:  # noqa: B008
        """Remove a file, whose content stays in the journal, or an empty folder."""
        kept = True

        def check(before: Present) -> None:
            nonlocal kept
            check_sha256(condition.sha256, before)
            kept = before.data is not None and self._workspace.journal is not None
            if before.data is None and before.links == 1:
                message = f"{before.shown} has {before.size} bytes, too many to be kept for undo"
                raise TooBigError(message, next_step="Ask the user to delete it.")

        with self._workspace.at(path) as (root, place):
            note = self._workspace.noting(place.root, "delete")
            was_folder = root.remove(place.parts, check, note)
        if was_folder:
            return Reply(f"Successfully deleted the empty directory {path}")
        return Reply(f"Successfully deleted {path}" + ("; undo brings it back" if kept else ""))

    def make_directory(self, path: str) -> Reply:
        """Create a folder and its parents."""
        with self._workspace.at(path) as (root, place):
            self._workspace.count(place.root, 0, new=True)
            root.make_directory(place.parts)
        return Reply(f"Successfully created directory {path}")

    def move(self, source: str, destination: str) -> Reply:
        """Move or rename; never replaces."""
        workspace = self._workspace
        with workspace.at(source) as (root, place), workspace.at(destination) as (target, new):
            if stat.S_ISDIR(root.stat(place.parts).st_mode):
                _check_inside(root, place, target, new)
            workspace.count(new.root, 0, new=False)
            workspace.move(root, place, target, new)
        return Reply(f"Successfully moved {source} to {destination}")


def _check_inside(
    root: ConfinedRoot, place: RootedPath, target: ConfinedRoot, new: RootedPath
) -> None:
    """Refuse to move a folder if anything in it would be protected where it is or will be."""
    for number, (here, _entry, _left_out) in enumerate(walk(root, place.parts)):
        if number >= MOVED_ENTRIES:
            message = f"{place.shown} holds more than {MOVED_ENTRIES} entries"
            raise TooBigError(message, next_step="Move its parts one after another.")
        root.guard((*place.parts, *here))
        target.guard((*new.parts, *here))


def _facts(data: bytes) -> dict[str, object]:
    try:
        return facts_of(data, decode(data, "")[1])
    except NotTextError:
        return {}


def _bytes(content: str) -> bytes:
    try:
        return content.encode("utf-8")
    except UnicodeEncodeError as error:
        message = f"the content is not valid Unicode at character {error.start}"
        raise BadRequestError(message, next_step="Leave the broken characters out.") from error


def _in_the_encoding_of(there: bytes, content: str, shown: str) -> bytes:
    _text, encoding = decode(there, shown)
    if encoding == "utf-8":
        return _bytes(content)
    try:
        return content.encode(encoding)
    except UnicodeEncodeError as error:
        message = f"{content[error.start]!r} does not fit {shown}, a file in {encoding}"
        step = "Leave that character out, or rewrite the whole file in UTF-8 with write_file."
        raise NotTextError(message, next_step=step) from error
