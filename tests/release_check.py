"""Everything that a release needs, from a clean clone of what is committed: `make release-check`. Nothing is published.

    version in one place -> changelog -> licences -> bill of materials -> server.json -> wheel and sdist: what is in them,
    and a goal with each -> the n8n package, packed

Each step says what it found; the first that fails ends it with exit code 1.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = (
    "atos",
    "atos_daemon",
    "atos_orchestrator",
    "atos_protocol",
    "atos_scheduler",
    "atos_servers",
)
NEEDED = (
    "atos_servers/shim/manifest.json", "atos_servers/page/static/index.html", "atos_scheduler/defaults/models.yaml",
    "atos/py.typed",
)  # fmt: skip


class NotReadyError(Exception):
    """The release is not ready; the text says why."""


def cloned(folder: Path) -> Path:
    """Clone what is committed; what is not committed would not be in the release."""
    ran(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(folder)], ROOT)
    return folder


def ran(command: list[str], cwd: Path) -> str:
    """Run a command and return what it printed."""
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=False, timeout=900
    )
    if done.returncode:
        message = f"{' '.join(command)}: exit {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        raise NotReadyError(message)
    return done.stdout


def version_of(tree: Path) -> str:
    """Return the version, which stands in pyproject.toml; whatever repeats it must agree."""
    version: str = tomllib.loads((tree / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    server: dict[str, Any] = json.loads((tree / "server.json").read_text("utf-8"))
    told = {"server.json": server["version"], "its package": server["packages"][0]["version"]}
    wrong = {where: found for where, found in told.items() if found != version}
    if wrong:
        message = f"pyproject.toml says {version}, but {wrong}"
        raise NotReadyError(message)
    return version


def changelog(tree: Path, version: str) -> str:
    """Return how much the changelog says of this version; what is unreleased counts until it is named."""
    text = (tree / "CHANGELOG.md").read_text("utf-8")
    section = re.search(
        rf"^## \[(?:{re.escape(version)}|Unreleased)\].*?\n(.*?)(?=^## \[|\Z)",
        text,
        re.MULTILINE | re.DOTALL,
    )
    entries = re.findall(r"^- ", section[1], re.MULTILINE) if section else []
    if not entries:
        message = f"CHANGELOG.md says nothing of {version}"
        raise NotReadyError(message)
    return f"{len(entries)} entries"


def contents(artifact: Path) -> list[str]:
    """Return the names of the files in a wheel or an sdist."""
    if artifact.suffix == ".whl":
        with zipfile.ZipFile(artifact) as wheel:
            return wheel.namelist()
    with tarfile.open(artifact) as sdist:
        return [name.partition("/")[2] for name in sdist.getnames()]


def check_wheel(names: list[str]) -> str:
    """Say how many files a wheel has: the packages, what they need, and nothing else."""
    missing = [name for name in NEEDED if name not in names]
    foreign = sorted(
        {n.split("/")[0] for n in names if not n.split("/")[0].endswith(".dist-info")}
        - set(PACKAGES)
    )
    if missing or foreign:
        message = f"the wheel lacks {missing}, and has {foreign}"
        raise NotReadyError(message)
    return f"{len(names)} files"


def python_packages(tree: Path, folder: Path) -> str:
    """Build wheel and sdist, look into them, and have each reach a goal in an environment of its own."""
    ran([sys.executable, "-m", "build", "--outdir", str(folder / "dist"), str(tree)], tree)
    (wheel,) = (folder / "dist").glob("*.whl")
    (sdist,) = (folder / "dist").glob("*.tar.gz")
    found = f"{check_wheel(contents(wheel))} and {len(contents(sdist))} files"
    goals = ran([sys.executable, "tests/packaging/check_installation.py"], tree)
    return "\n    ".join([found, *goals.splitlines()])


def n8n_package(tree: Path) -> str:
    """Build and pack the n8n nodes."""
    if not shutil.which("npm"):
        message = "npm is missing, which builds and packs the n8n nodes"
        raise NotReadyError(message)
    folder = tree / "n8n"
    ran(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder)
    ran(["npm", "run", "build"], folder)
    (packed,) = json.loads(ran(["npm", "pack", "--dry-run", "--json", "--ignore-scripts"], folder))
    names = {each["path"] for each in packed["files"]}
    wanted = set(json.loads((folder / "package.json").read_text("utf-8"))["n8n"]["nodes"])
    if wanted - names:
        message = f"the n8n package lacks {sorted(wanted - names)}"
        raise NotReadyError(message)
    return f"{packed['filename']}: {len(names)} files"


def steps(tree: Path, folder: Path) -> list[tuple[str, Callable[[], str]]]:
    """Return the steps by name, in order."""
    python, tests = (
        sys.executable,
        ["tests/test_licences.py", "tests/packaging/test_server_json.py"],
    )
    environment = ["env", f"PYTHONPATH={tree / 'tests'}"]
    bill = folder / "atos.cdx.json"
    return [
        ("version", lambda: version_of(tree)),
        ("changelog", lambda: changelog(tree, version_of(tree))),
        ("licences, server.json", lambda: ran([python, "-m", "pytest", "-q", *tests], tree).splitlines()[-1]),
        ("bill of materials", lambda: ran([*environment, python, "tests/sbom.py", str(bill)], tree) or f"{bill.stat().st_size} bytes"),
        ("wheel, sdist", lambda: python_packages(tree, folder)),
        ("n8n nodes", lambda: n8n_package(tree)),
    ]  # fmt: skip


def main() -> int:
    """Run the steps."""
    with tempfile.TemporaryDirectory(prefix="atosr", ignore_cleanup_errors=True) as place:
        folder = Path(place)
        try:
            tree = cloned(folder / "clone")
            for name, step in steps(tree, folder):
                print(f"{name:22}{step()}", flush=True)
        except NotReadyError as error:
            print(f"not ready: {error}", file=sys.stderr)
            return 1
    print("ready; nothing was published")
    return 0


if __name__ == "__main__":
    sys.exit(main())
