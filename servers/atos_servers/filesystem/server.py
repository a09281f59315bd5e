"""The filesystem server: the reference server's tools, same names and shapes, over confined roots."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import anyio.to_thread
from fastmcp import FastMCP
from fastmcp.tools import ToolResult
from mcp.types import (
    AudioContent,
    BlobResourceContents,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    TextContent,
    ToolAnnotations,
)
from pydantic import Field

from atos_servers.filesystem.changing import Changes, Condition
from atos_servers.filesystem.edits import Edit
from atos_servers.filesystem.grep import grep
from atos_servers.filesystem.grep_process import Request
from atos_servers.filesystem.journal import Journal
from atos_servers.filesystem.listing import Lists
from atos_servers.filesystem.pages import FOR_MODELS, FOR_PROGRAMS, Reply
from atos_servers.filesystem.protection import Grant, read_grants
from atos_servers.filesystem.quotas import Quotas
from atos_servers.filesystem.reading import Media, Range, Reads
from atos_servers.filesystem.root import pinned
from atos_servers.filesystem.tool_arguments import (
    ChangeId,
    ChangeOrNone,
    Context,
    Cursor,
    Excluded,
    Flag,
    Length,
    Lines,
    Offset,
    Path_,
    Sha256,
    SortBy,
    StartLine,
    TextEdit,
)
from atos_servers.filesystem.versions import Versions
from atos_servers.filesystem.workspace import Workspace
from atos_servers.host.connection import MODEL_CLIENTS, client, confinement
from atos_servers.host.services import Services
from atos_servers.host.tool_definition import changing, read_only

INSTRUCTIONS = """\
Reads and changes files in the directories that the user allowed; `list_allowed_directories` names them. Change a
part of a file with `edit_file`, a whole one with `write_file`; find files with `search_files`.
"""
GRANTS = "grants"
"""File below the home in which the user allows protected files, one pattern per line."""
JOURNAL = "journal.db"
FULL = "full"
"""Tag of the tools that a small model can do without."""
SURROGATES = re.compile("[\ud800-\udfff]")
"""Bytes of names that are not UTF-8, and halves of characters: no JSON carries them."""
NOT_SEARCHED = (".git", "node_modules", ".venv", "__pycache__")
"""What grep passes over by itself."""
SHAPE: dict[str, Any] = {
    "type": "object",
    "properties": {"content": {"type": "string"}},
    "required": ["content"],
}
"""The reference server's output schema; facts stand beside the content."""


class Tools:
    """The tools; each is one operation in the connection's directories.

    They block, so they are called in threads: plain functions are, by fastmcp and by direct calls. `grep` waits for a
    process instead.
    """

    def __init__(self, home: Path) -> None:
        self._grants_file = home / GRANTS
        self._journal = Journal(home / JOURNAL)
        self._quotas = Quotas()

    def read_text_file(
        self,
        path: Path_,
        head: Lines = 0,
        tail: Lines = 0,
        start_line: StartLine = 0,
        cursor: Cursor = "",
    ) -> ToolResult:
        """Use to read a text file: whole, its first (head) or last (tail) lines, or from start_line.

        UTF-8, or Latin-1 where that does not fit. A long file comes in pages: repeat with the cursor.
        """
        wanted = Range(head, tail, start_line, cursor)
        return _done(self._reads().text, path, wanted)

    def read_file(self, path: Path_, head: Lines = 0, tail: Lines = 0) -> ToolResult:
        """Use read_text_file instead: this is its old name."""
        return _done(self._reads().text, path, Range(head, tail))

    def read_media_file(self, path: Path_, offset: Offset = 0, length: Length = 0) -> ToolResult:
        """Use to read an image, sound or other binary file as base64. At most 8 MiB at once."""
        media = self._reads().media(path, offset, length)
        return ToolResult(content=[_block(media, path)])

    def read_multiple_files(
        self, paths: Annotated[list[str], Field(max_length=1_000)]
    ) -> ToolResult:
        """Use to read several text files at once. A file that fails does not stop the others."""
        return _done(self._reads().many, paths)

    def write_file(
        self, path: Path_, content: str, expect_sha256: Sha256 = "", create_only: Flag = False
    ) -> ToolResult:
        """Use to create a file or replace it completely. To change a part, use edit_file.

        The file is replaced completely or not at all. Its folder must exist. Files that later run
        outside the sandbox (git hooks, conftest.py, .env) are refused.
        """
        condition = Condition(expect_sha256, create_only)
        return _done(self._changes().write, path, content, condition)

    def edit_file(
        self,
        path: Path_,
        edits: list[TextEdit],
        dryRun: Flag = False,
        expect_sha256: Sha256 = "",
    ) -> ToolResult:
        """Use to change parts of a text file. Each oldText must occur exactly once.

        Line endings and encoding are preserved. Replies with the change as a diff; dryRun only
        shows it.
        """
        wanted = [Edit(edit.oldText, edit.newText) for edit in edits]
        operation = partial(
            self._changes().edit, dry_run=dryRun, condition=Condition(expect_sha256)
        )
        return _done(operation, path, wanted)

    def append_file(self, path: Path_, content: str, expect_sha256: Sha256 = "") -> ToolResult:
        """Use to add text at the end of a file; creates it if there is none."""
        return _done(self._changes().append, path, content, Condition(expect_sha256))

    def delete_file(self, path: Path_, expect_sha256: Sha256 = "") -> ToolResult:
        """Use to delete a file or an empty folder. undo brings a file back."""
        return _done(self._changes().delete, path, Condition(expect_sha256))

    def create_directory(self, path: Path_) -> ToolResult:
        """Use to create a folder and its parents. It may exist already."""
        return _done(self._changes().make_directory, path)

    def list_directory(self, path: Path_, cursor: Cursor = "") -> ToolResult:
        """Use to list a folder: [FILE] or [DIR] before each name."""
        return _done(self._lists().directory, path, cursor)

    def list_directory_with_sizes(
        self, path: Path_, sortBy: SortBy = "name", cursor: Cursor = ""
    ) -> ToolResult:
        """Use to list a folder with sizes and totals; sortBy name or size."""
        return _done(self._lists().with_sizes, path, sortBy, cursor)

    def directory_tree(
        self,
        path: Path_,
        excludePatterns: Excluded = [],  # noqa: B006
        cursor: Cursor = "",
    ) -> ToolResult:
        """Use to list a folder recursively, as JSON with name, type, children."""
        return _done(self._lists().tree, path, excludePatterns, cursor)

    def move_file(self, source: Path_, destination: Path_) -> ToolResult:
        """Use to move or rename a file or folder. Nothing is ever replaced."""
        return _done(self._changes().move, source, destination)

    def search_files(
        self,
        path: Path_,
        pattern: str,
        excludePatterns: Excluded = [],  # noqa: B006
        cursor: Cursor = "",
    ) -> ToolResult:
        """Use to find files and folders by name: `*.py` here, `**/*.py` at any depth."""
        return _done(self._lists().search, path, pattern, excludePatterns, cursor)

    def glob(self, pattern: str, path: Path_ = ".", cursor: Cursor = "") -> ToolResult:
        """Use to find files by a pattern such as `src/**/*.{ts,tsx}`, as paths below the folder."""
        search = partial(self._lists().search, relative_files=True)
        return _done(search, path, pattern, (), cursor)

    async def grep(
        self,
        pattern: str,
        path: Path_ = ".",
        glob: Annotated[str, Field(description="Only files like this, such as *.py.")] = "",
        ignore_case: Flag = False,
        literal: Annotated[Flag, Field(description="pattern is plain text, no regex.")] = False,
        context: Context = 0,
        cursor: Cursor = "",
    ) -> ToolResult:
        """Use to find lines in files by a regular expression (Python's). Replies path:line: text.

        .git, node_modules, .venv and __pycache__ are passed over.
        """
        place = await anyio.to_thread.run_sync(self._grep_start, path)
        request = Request(
            *place, pattern, glob, list(NOT_SEARCHED), ignore_case, literal, context,
            self._workspace().room.bytes * 2 // 3 if client() in MODEL_CLIENTS else 1 << 20, cursor,
        )  # fmt: skip
        return _result(await grep(request))

    def get_file_info(self, path: Path_) -> ToolResult:
        """Use to see size, times, type, permissions and SHA-256 of a file or folder."""
        return _done(self._reads().info, path)

    def diff(
        self,
        path: Path_,
        other: Annotated[str, Field(description="File to compare with, as the older one.")] = "",
        change: ChangeOrNone = 0,
    ) -> ToolResult:
        """Use to see how a file differs from another one, or from what it was before a change."""
        return _done(self._versions().diff, path, other, change)

    def history(self, path: Path_ = ".", cursor: Cursor = "") -> ToolResult:
        """Use to see what these tools changed, newest first: of a file, or of a whole directory."""
        return _done(self._versions().history, path, cursor)

    def undo(self, change: ChangeId) -> ToolResult:
        """Use to undo one change of history, if the file was not changed since."""
        return _done(self._versions().undo, change)

    def list_allowed_directories(self) -> ToolResult:
        """Use first: lists the directories that this connection may access."""
        return _done(self._reads().allowed)

    def _reads(self) -> Reads:
        return Reads(self._workspace())

    def _lists(self) -> Lists:
        return Lists(self._workspace())

    def _changes(self) -> Changes:
        return Changes(self._workspace())

    def _versions(self) -> Versions:
        return Versions(self._workspace())

    def _workspace(self) -> Workspace:
        room = FOR_MODELS if client() in MODEL_CLIENTS else FOR_PROGRAMS
        if client() == "worker":
            return Workspace(confinement(), self._grants, room)
        return Workspace(confinement(), self._grants, room, self._journal, self._quotas)

    def _grep_start(self, path: str) -> tuple[str, tuple[str, ...]]:
        with self._workspace().at(path) as (_root, place):
            return pinned(place.root), place.parts

    def _grants(self) -> list[Grant]:
        try:
            return read_grants(self._grants_file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            return []


def _done(operation: Callable[..., Reply], *arguments: Any) -> ToolResult:
    return _result(operation(*arguments))


def _result(reply: Reply) -> ToolResult:
    """Return a tool's result: the content as it is, facts beside it, and a note of its own.

    A name that is not UTF-8 is shown with replacement characters.
    """
    text, note = _shown(reply.text), _shown(reply.note)
    content = [TextContent(type="text", text=part) for part in (text, note) if part or part is text]
    return ToolResult(content=content, structured_content={"content": text, **reply.facts})


def _shown(text: str) -> str:
    return SURROGATES.sub("\ufffd", text)


def _block(media: Media, path: str) -> ContentBlock:
    kind = media.mime.partition("/")[0]
    if kind == "image":
        return ImageContent(type="image", data=media.data, mime_type=media.mime)
    if kind == "audio":
        return AudioContent(type="audio", data=media.data, mime_type=media.mime)
    uri = Path(path).name
    blob = BlobResourceContents(uri=f"file:///{uri}", mime_type=media.mime, blob=media.data)
    return EmbeddedResource(type="resource", resource=blob)


def build(services: Services) -> FastMCP:
    """Build the server and create the default directory."""
    with suppress(OSError):  # reported by the first call that needs it
        services.settings.workspaces.mkdir(parents=True, exist_ok=True)
    tools = Tools(services.settings.home)
    server: FastMCP = FastMCP("atos-filesystem", instructions=INSTRUCTIONS)

    def add(tool: Callable[..., Any], hints: ToolAnnotations, *tags: str) -> None:
        shape = None if tool.__name__ == "read_media_file" else SHAPE
        server.tool(tool, annotations=hints, output_schema=shape, tags=set(tags))

    add(tools.read_text_file, read_only("Read text file"))
    add(tools.read_file, read_only("Read file"), FULL)
    add(tools.read_media_file, read_only("Read media file"))
    add(tools.read_multiple_files, read_only("Read several files"))
    add(tools.write_file, changing("Write file", destructive=True, idempotent=True))
    add(tools.edit_file, changing("Edit file", destructive=True, idempotent=False))
    add(tools.append_file, changing("Append to file", destructive=False, idempotent=False), FULL)
    add(tools.delete_file, changing("Delete file", destructive=True, idempotent=True), FULL)
    add(tools.create_directory, changing("Create directory", destructive=False, idempotent=True))
    add(tools.list_directory, read_only("List directory"))
    add(tools.list_directory_with_sizes, read_only("List directory with sizes"))
    add(tools.directory_tree, read_only("Directory tree"))
    add(tools.move_file, changing("Move file", destructive=True, idempotent=False))
    add(tools.search_files, read_only("Search files"))
    add(tools.glob, read_only("Find files"), FULL)
    add(tools.grep, read_only("Search contents"), FULL)
    add(tools.get_file_info, read_only("Get file info"))
    add(tools.diff, read_only("Show differences"), FULL)
    add(tools.history, read_only("Show changes"), FULL)
    add(tools.undo, changing("Undo a change", destructive=True, idempotent=False), FULL)
    add(tools.list_allowed_directories, read_only("List allowed directories"))
    return server
