"""The operations over what was: the history of a file, differences, and undoing a change."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from atos_protocol.errors import BadRequestError, ConflictError, NotFoundError
from atos_servers.filesystem.comparison import spans_between
from atos_servers.filesystem.edits import Edited, decode, unified_diff
from atos_servers.filesystem.errors import ChangedError
from atos_servers.filesystem.journal import Change, Journal, sha256
from atos_servers.filesystem.pages import Reply, bad_cursor, rest
from atos_servers.filesystem.present import Present
from atos_servers.filesystem.root import pinned
from atos_servers.filesystem.workspace import Workspace

PAGE = 50
"""Changes in one reply."""


class Versions:
    """The operations of one connection over earlier contents."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def history(self, path: str = "", cursor: str = "") -> Reply:
        """Return the changes of a file, or of the directory that a path is, newest first."""
        if cursor and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 18):
            raise bad_cursor(cursor)
        with self._workspace.at(path or ".") as (root, place):
            real = root.real(place.parts)
            whole = pinned(place.root)
        before = int(cursor or 0)
        found = self._journal.of(whole, "/".join(real), before=before, most=PAGE + 1)
        text = "\n".join(map(_row, found[:PAGE])) or "No changes are known"
        changes = [change.id for change in found[:PAGE]]
        if len(found) <= PAGE:
            return Reply(text, {"changes": changes})
        following = str(found[PAGE - 1].id)
        facts = {"changes": changes, "nextCursor": following}
        return Reply(text, facts, rest(f"the newest {PAGE} changes", following))

    def diff(self, path: str, other: str = "", change: int = 0) -> Reply:
        """Return how a file differs from another one, or from what it was before a change.

        Without either, from what it was before its last change.
        """
        if other and change:
            message = "other and change can't be given together"
            raise BadRequestError(message, next_step="Give one of them.")
        with self._workspace.at(path) as (root, place):
            real = "/".join(root.real(place.parts))
            now = root.read(place.parts)
        if other:
            with self._workspace.at(other) as (root, at):
                before = root.read(at.parts)
        else:
            found = self._found(change) if change else self._last(pinned(place.root), real)
            if (found.root, found.path) != (pinned(place.root), real):
                message = f"change {found.id} is one of {found.path}, not of {path}"
                raise BadRequestError(message, next_step="See history of this path.")
            before = self._kept(found) or b""
        decode(now, path)
        decode(before, other or path)
        return Reply(unified_diff(before, Edited(now, spans_between(before, now)), path))

    def undo(self, change: int) -> Reply:
        """Undo a change, if the file still is what the change made of it."""
        found = self._found(change)
        place = Path(found.root) / found.path
        if found.kind == "move":
            return self._move_back(found, place)
        before = self._kept(found)
        with self._workspace.at(str(place)) as (root, at):
            if before is None:
                note = self._workspace.noting(at.root, "delete")
                root.remove(at.parts, lambda there: _check_unchanged(found, there), note)
                return Reply(f"Undone: {place} is removed again")

            def back(there: Present) -> bytes:
                _check_unchanged(found, there)
                return before

            note = self._workspace.noting(at.root, "write")
            root.change(at.parts, back, note=note, mode=found.mode)
        return Reply(f"Undone: {place} is what it was before change {change}")

    def _move_back(self, found: Change, place: Path) -> Reply:
        with (
            self._workspace.at(found.moved_to) as (root, now),
            self._workspace.at(str(place)) as (target, then),
        ):
            self._workspace.move(root, now, target, then)
        return Reply(f"Undone: {found.moved_to} is {place} again")

    @property
    def _journal(self) -> Journal:
        if self._workspace.journal is None:
            message = "this connection keeps no journal"
            raise NotFoundError(message, next_step="Use git for earlier versions.")
        return self._workspace.journal

    def _found(self, change: int) -> Change:
        roots = [pinned(root) for root in self._workspace.roots]
        found = self._journal.find(roots, change)
        if found is None:
            message = f"there is no change {change} in the allowed directories"
            raise NotFoundError(message, next_step="See history for the numbers.")
        return found

    def _last(self, root: str, path: str) -> Change:
        found = self._journal.of(root, path, most=1)
        if not found:
            message = f"no change of {path} is known"
            raise NotFoundError(message, next_step="Name another file to compare with.")
        return found[0]

    def _kept(self, found: Change) -> bytes | None:
        """Return the content before a change; None for a file that the change created."""
        content = self._journal.content_before(found.id)
        if content is None and found.kind != "create":
            message = f"what {found.path} was before change {found.id} is no longer kept"
            raise NotFoundError(message, next_step="Look for it in git, or in a backup.")
        return content


def _check_unchanged(found: Change, there: Present) -> None:
    now = sha256(there.data) if there.exists else ""
    if now == found.after_sha256 and (not there.exists or there.data is not None):
        return
    if now == found.before_sha256:
        message = f"{there.shown} is what it was before change {found.id} already"
        raise ConflictError(message, next_step="There is nothing to undo.")
    message = f"{there.shown} was changed since change {found.id}"
    raise ChangedError(message, next_step="Undo the later changes first; see history.")


def _row(change: Change) -> str:
    at = datetime.fromtimestamp(change.at, UTC).isoformat(timespec="seconds")
    to = f" -> {change.moved_to}" if change.moved_to else ""
    return f"{change.id}  {at}  {change.kind:<6}  {change.path}{to}"
