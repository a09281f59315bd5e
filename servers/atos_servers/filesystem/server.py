"""The filesystem server: the reference server's tools, same names and shapes, over confined roots."""

from __future__ import annotations

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
)
from pydantic import BaseModel, ConfigDict, Field

from atos_servers.filesystem.edits import Edit
from atos_servers.filesystem.operations import Files, Media, Size
from atos_servers.filesystem.protection import read_grants
from atos_servers.host.connection import confinement
from atos_servers.host.services import Services
from atos_servers.host.tool_definition import changing, null_means, read_only

INSTRUCTIONS = """\
Reads and changes files in the directories that the user allowed; `list_allowed_directories` names them. Change a
part of a file with `edit_file`, a whole one with `write_file`; find files with `search_files`.
"""
GRANTS = "grants"
"""File below the home in which the user allows protected files, one pattern per line."""


class Content(BaseModel):
    """A tool's reply."""

    content: str


class TextEdit(BaseModel):
    """One replacement in a file."""

    model_config = ConfigDict(extra="forbid")

    oldText: Annotated[
        str, Field(description="Text to replace; must occur in the file exactly once.")
    ]
    newText: Annotated[str, Field(description="Its replacement.")]


Path_ = Annotated[
    str, Field(description="Absolute path inside an allowed directory, or relative to the first.")
]
Excluded = Annotated[
    list[str],
    null_means(list[str]()),
    Field(description="Globs to leave out, such as node_modules."),
]
Lines = Annotated[
    int, null_means(0), Field(ge=0, description="Number of lines; 0 for the whole file.")
]


class Tools:
    """The tools; each is one operation in the connection's directories, run in a thread."""

    def __init__(self, grants: Path) -> None:
        self._grants_file = grants

    async def read_text_file(self, path: Path_, head: Lines = 0, tail: Lines = 0) -> Content:
        """Use to read a text file. With head or tail only its first or last lines are read.

        UTF-8, or Latin-1 where that does not fit. At most 8 MiB at once.
        """
        return await _in_thread(self._files().read_text, path, head or None, tail or None)

    async def read_media_file(self, path: Path_) -> ToolResult:
        """Use to read an image, sound or other binary file as base64. At most 8 MiB."""
        media = await anyio.to_thread.run_sync(self._files().read_media, path)
        return ToolResult(content=[_block(media, path)])

    async def read_multiple_files(self, paths: list[str]) -> Content:
        """Use to read several text files at once. A file that fails does not stop the others."""
        return await _in_thread(self._files().read_many, paths)

    async def write_file(self, path: Path_, content: str) -> Content:
        """Use to create a file or replace it completely. To change a part, use edit_file.

        The file is replaced completely or not at all. Its folder must exist. Files that later run
        outside the sandbox (git hooks, conftest.py, .env) are refused.
        """
        return await _in_thread(self._files().write, path, content)

    async def edit_file(self, path: Path_, edits: list[TextEdit], dryRun: bool = False) -> Content:
        """Use to change parts of a text file. Each oldText must occur exactly once.

        Line endings and encoding are preserved. Replies with the change as a diff; dryRun only
        shows it.
        """
        wanted = [Edit(edit.oldText, edit.newText) for edit in edits]
        return await _in_thread(partial(self._files().edit, dry_run=dryRun), path, wanted)

    async def create_directory(self, path: Path_) -> Content:
        """Use to create a folder and its parents. It may exist already."""
        return await _in_thread(self._files().make_directory, path)

    async def list_directory(self, path: Path_) -> Content:
        """Use to list a folder: [FILE] or [DIR] before each name."""
        return await _in_thread(self._files().list_directory, path)

    async def list_directory_with_sizes(self, path: Path_, sortBy: Size = "name") -> Content:
        """Use to list a folder with sizes and totals; sortBy name or size."""
        return await _in_thread(self._files().list_with_sizes, path, sortBy)

    async def directory_tree(self, path: Path_, excludePatterns: Excluded = []) -> Content:  # noqa: B006
        """Use to list a folder recursively, as JSON with name, type, children."""
        return await _in_thread(self._files().tree, path, excludePatterns)

    async def move_file(self, source: Path_, destination: Path_) -> Content:
        """Use to move or rename a file or folder. Nothing is ever replaced."""
        return await _in_thread(self._files().move, source, destination)

    async def search_files(
        self,
        path: Path_,
        pattern: str,
        excludePatterns: Excluded = [],  # noqa: B006
    ) -> Content:
        """Use to find files and folders by name: `*.py` here, `**/*.py` at any depth."""
        return await _in_thread(self._files().search, path, pattern, excludePatterns)

    async def get_file_info(self, path: Path_) -> Content:
        """Use to see size, times, type and permissions of a file or folder."""
        return await _in_thread(self._files().info, path)

    async def list_allowed_directories(self) -> Content:
        """Use first: lists the directories that this connection may access."""
        return await _in_thread(self._files().allowed)

    def _files(self) -> Files:
        return Files(confinement(), self._grants)

    def _grants(self) -> list[str]:
        try:
            return read_grants(self._grants_file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            return []


async def _in_thread(operation: Callable[..., str], *arguments: Any) -> Content:
    """Run an operation in a thread; a name that is not UTF-8 is shown with replacement characters."""
    text = await anyio.to_thread.run_sync(partial(operation, *arguments))
    return Content(content=text.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))


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
    tools = Tools(services.settings.home / GRANTS)
    server: FastMCP = FastMCP("atos-filesystem", instructions=INSTRUCTIONS)
    server.tool(tools.read_text_file, annotations=read_only("Read text file"))
    server.tool(tools.read_media_file, annotations=read_only("Read media file"))
    server.tool(tools.read_multiple_files, annotations=read_only("Read several files"))
    replaces = changing("Write file", destructive=True, idempotent=True)
    server.tool(tools.write_file, annotations=replaces)
    edits = changing("Edit file", destructive=True, idempotent=False)
    server.tool(tools.edit_file, annotations=edits)
    makes = changing("Create directory", destructive=False, idempotent=True)
    server.tool(tools.create_directory, annotations=makes)
    server.tool(tools.list_directory, annotations=read_only("List directory"))
    server.tool(tools.list_directory_with_sizes, annotations=read_only("List directory with sizes"))
    server.tool(tools.directory_tree, annotations=read_only("Directory tree"))
    moves = changing("Move file", destructive=True, idempotent=False)
    server.tool(tools.move_file, annotations=moves)
    server.tool(tools.search_files, annotations=read_only("Search files"))
    server.tool(tools.get_file_info, annotations=read_only("Get file info"))
    server.tool(tools.list_allowed_directories, annotations=read_only("List allowed directories"))
    return server
