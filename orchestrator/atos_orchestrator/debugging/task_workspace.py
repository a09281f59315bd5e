"""A task's worktree, reached only through the filesystem and code_runner servers.

Every version of a file that a model wrote is kept as a draft below `.atos/`, under a name that only its
step writes. A step that is repeated after a crash therefore reads what its first run read, whatever
that run had already written over the real files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from atos_orchestrator.durable_json import decode
from atos_orchestrator.ports import Json, Tools
from atos_protocol.errors import ConflictError, NotFoundError
from atos_protocol.verdicts import Evaluation, SyntaxReport, Verdict

DRAFTS = ".atos"


@dataclass(frozen=True, slots=True)
class TaskWorkspace:
    """The folder of one task."""

    root: Path
    tools: Tools
    packages: tuple[str, ...] = ()
    """Distributions that its code may import; they are installed already."""
    folders: set[str] = field(default_factory=set[str])
    """Folders that exist already, so that each is created once."""

    async def write(self, path: str, text: str) -> str:
        """Write a file; return its short hash."""
        folder = path.rpartition("/")[0]
        if folder and folder not in self.folders:
            await self._call("filesystem", "create_directory", {"path": str(self.root / folder)})
            self.folders.add(folder)
        whole = {"path": str(self.root / path), "content": text}
        await self._call("filesystem", "write_file", whole)
        return digest_of(text)

    async def read(self, path: str) -> str:
        """Read a file.

        Raises:
            NotFoundError: it does not exist.
        """
        found = await self._call("filesystem", "read_text_file", {"path": str(self.root / path)})
        return str(found["content"])

    async def read_if_exists(self, path: str) -> str:
        """Read a file, or return an empty text."""
        try:
            return await self.read(path)
        except NotFoundError:
            return ""

    async def has_module(self, name: str) -> bool:
        """Return whether a top-level module is one of the worktree's own."""
        places = (
            f"{folder}{name}{end}" for folder in ("", "src/") for end in (".py", "/__init__.py")
        )
        for place in places:
            try:
                await self.read(place)
            except NotFoundError:
                continue
            return True
        return False

    async def draft(self, version: str, files: Mapping[str, str]) -> dict[str, str]:
        """Keep a version of some files; return path -> hash."""
        return {
            path: await self.write(f"{DRAFTS}/{version}/{path}", text)
            for path, text in files.items()
        }

    async def recall(self, version: str, hashes: Mapping[str, str]) -> dict[str, str]:
        """Read a version back.

        Raises:
            ConflictError: it was changed meanwhile.
        """
        files = {path: await self.read(f"{DRAFTS}/{version}/{path}") for path in hashes}
        for path, text in files.items():
            if digest_of(text) != hashes[path]:
                message = f"the draft {DRAFTS}/{version}/{path} in {self.root} was changed"
                raise ConflictError(message, next_step="Start the task again.")
        return files

    async def syntax(self, path: str) -> SyntaxReport:
        """Compile a file without running it."""
        arguments = {"path": str(self.root / path)}
        return decode(SyntaxReport, await self._call("code_runner", "check_syntax", arguments))

    async def pytest(
        self, tests: Sequence[str], overlay: Mapping[str, str], policy: str
    ) -> Verdict:
        """Run tests in the sandbox, with some files replaced."""
        arguments = {
            "path": str(self.root),
            "tests": list(tests),
            "overlay": dict(overlay),
            "policy": policy,
        }
        arguments |= {"packages": list(self.packages)} if self.packages else {}
        return decode(Verdict, await self._call("code_runner", "run_pytest", arguments))

    async def evaluate(
        self,
        candidates: Sequence[Mapping[str, str]],
        assertions: Sequence[str],
        calls: Sequence[str] = (),
    ) -> Evaluation:
        """Judge every candidate by every assertion, each on its own, in one sandboxed run."""
        arguments = {
            "path": str(self.root),
            "candidates": [dict(files) for files in candidates],
            "assertions": list(assertions),
            "calls": list(calls),
        }
        arguments |= {"packages": list(self.packages)} if self.packages else {}
        return decode(Evaluation, await self._call("code_runner", "evaluate", arguments))

    async def _call(self, server: str, tool: str, arguments: Json) -> Json:
        return await self.tools(server, tool, arguments, roots=[self.root])


def digest_of(text: str) -> str:
    """Return a short hash of a text."""
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]
