"""Installs the pinned n8n once, below `build/n8n/host`. Standard library only.

No install script runs, because the Kafka client's fails without its own downloads and npm then rolls everything back.
sqlite3 alone is built, beside the installation, with the headers of this Node, and put into its place afterwards.
"""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from toolchain import CACHE, NODE_VERSION, Node, run

N8N_VERSION = "2.41.1"
SQLITE_VERSION = "5.1.7"
"""That this n8n asks for; another one is built in its place, a minute later."""
HOST = CACHE / "host"
SQLITE = CACHE / "sqlite3"
BINARY = HOST / "node_modules" / "n8n" / "bin" / "n8n"
SECONDS = 2400


def install_host(node: Node) -> None:
    """Install the pinned n8n unless it is there: 5 to 10 minutes, 4 GB of memory, 3 GB of disk.

    Raises:
        StepFailedError: npm failed.
    """
    stamp = HOST / ".atos-installed"
    wanted = f"n8n {N8N_VERSION}, node {NODE_VERSION}"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return
    print(f"  n8n {N8N_VERSION} is installed meanwhile (minutes)", flush=True)
    with ThreadPoolExecutor(1) as beside:
        sqlite = beside.submit(_build_sqlite, node)
        _install(node, HOST, f"n8n@{N8N_VERSION}", "--ignore-scripts")
        sqlite.result()
    _put_sqlite(node)
    stamp.write_text(wanted, encoding="utf-8")


def _install(node: Node, folder: Path, what: str, how: str) -> None:
    """Have npm install one package with all that it needs."""
    folder.mkdir(parents=True, exist_ok=True)
    name, _, version = what.rpartition("@")
    manifest = {"name": f"{name}-host", "private": True, "dependencies": {name: version}}
    (folder / "package.json").write_text(json.dumps(manifest), encoding="utf-8")
    line = ["nice", "-n", "10", node.bin / "npm", "install", how]
    run(what, line, folder=folder, environ=_environ(node), deadline=SECONDS, beside=True)


def _environ(node: Node) -> dict[str, str]:
    return node.environ(npm_config_nodedir=str(node.home))


def _build_sqlite(node: Node) -> None:
    _install(node, SQLITE, f"sqlite3@{SQLITE_VERSION}", "--foreground-scripts")


def _put_sqlite(node: Node) -> None:
    """Put what was built into n8n's sqlite3; build it there, where that is of another version."""
    there, built = (each / "node_modules" / "sqlite3" for each in (HOST, SQLITE))
    if _version(there) == _version(built):
        shutil.copytree(built / "build", there / "build", dirs_exist_ok=True)
        return
    line = [node.bin / "npm", "rebuild", "sqlite3", "--foreground-scripts"]
    environ = _environ(node)
    run("sqlite3 again", line, folder=HOST, environ=environ, deadline=SECONDS, beside=True)


def _version(package: Path) -> str:
    found: dict[str, str] = json.loads((package / "package.json").read_text(encoding="utf-8"))
    return found["version"]
