"""The npm packages of `package.json`, installed once below `build/conformance/`, with the Node of the n8n checks."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from toolchain import CACHE, NODE_VERSION, ROOT, Node, install_node, run

FOLDER = ROOT / "build" / "conformance"
WANTED = Path(__file__).with_name("package.json")


def install() -> Node:
    """Install what is pinned, unless the last run installed just that; return the Node that runs it.

    Raises:
        StepFailedError: npm or pip could not.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    node = install_node()
    stamp = FOLDER / ".installed"
    wanted = f"{NODE_VERSION} {hashlib.sha256(WANTED.read_bytes()).hexdigest()}"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return node
    FOLDER.mkdir(parents=True, exist_ok=True)
    shutil.copy(WANTED, FOLDER / "package.json")
    command = [node.bin / "npm", "install", "--ignore-scripts", "--no-package-lock"]
    run("npm install", command, folder=FOLDER, environ=node.environ(), deadline=600)
    stamp.write_text(wanted, encoding="utf-8")
    return node


def program(package: str, name: str) -> Path:
    """Return a file of an installed package."""
    return FOLDER / "node_modules" / package / name
