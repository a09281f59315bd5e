"""Three-way merges of trees in the object store, without a working tree.

What only one side changed is taken; where both changed a file, its lines are merged as `git merge` does. It
runs in ATOS's own git directory, so no merge driver of the workspace is asked.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from atos_orchestrator.workspace.git import Git
from atos_orchestrator.workspace.repository import Repository

Stages = dict[int, tuple[str, str]]
"""Stage -> mode and blob: 1 of the common base, 2 of ours, 3 of theirs."""


async def merged_tree(
    repository: Repository, base: str, ours: str, theirs: str
) -> tuple[str, tuple[str, ...]]:
    """Return the tree that has both sides' changes since `base`, and the paths that contradict each other.

    The tree is empty where a path does.
    """
    with tempfile.TemporaryDirectory(prefix="merge-", dir=repository.trees) as folder:
        here = replace(repository.git, where=Path(folder))
        index = here.having(GIT_INDEX_FILE=Path(folder) / "index")
        code, _, said = await index.ask("read-tree", "-i", "-m", "--aggressive", base, ours, theirs)
        if code != 0:
            return "", (said.strip()[-200:],)
        unmerged = _unmerged(await index.run("ls-files", "-u", "-z"))
        blobs = {path: await _merged_file(here, stages) for path, stages in unmerged.items()}
        if contradicting := tuple(path for path, blob in blobs.items() if not blob):
            return "", contradicting
        lines = [f"{_mode(unmerged[path])} {blob} 0\t{path}\0" for path, blob in blobs.items()]
        await index.run("update-index", "-z", "--index-info", stdin="".join(lines))
        return await index.run("write-tree"), ()


def _unmerged(listed: str) -> dict[str, Stages]:
    found: dict[str, Stages] = {}
    for line in listed.split("\0"):
        if line:
            about, _, path = line.partition("\t")
            mode, blob, stage = about.split(" ")
            found.setdefault(path, {})[int(stage)] = (mode, blob)
    return found


async def _merged_file(git: Git, stages: Stages) -> str:
    """Return the blob with both sides' lines; an empty text where they contradict each other."""
    if set(stages) != {1, 2, 3} or not all(mode.startswith("100") for mode, _ in stages.values()):
        return ""
    names = [await git.run("unpack-file", stages[stage][1]) for stage in (2, 1, 3)]
    code, text, _ = await git.ask("merge-file", "-p", "-q", *names)
    return await git.run("hash-object", "-w", "--stdin", stdin=text) if code == 0 else ""


def _mode(stages: Stages) -> str:
    """Return the mode that either side changed, or that which both have."""
    base, ours, theirs = (stages[stage][0] for stage in (1, 2, 3))
    return theirs if ours == base else ours
