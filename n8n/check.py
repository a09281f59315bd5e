"""`make test-n8n`: builds, lints and tests the node package; with `--real` the pinned n8n runs workflows with real ATOS servers.

All parts of it take 25 minutes. n8n is installed the first time: 4 GB of memory, 3 GB of disk, 5 to 10 minutes, a C++
compiler. The package needs Python only: Node comes from a wheel (toolchain.py). Everything is kept in `build/n8n/`.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import real
from installation import install_host

from toolchain import CACHE, NODE_VERSION, PACKAGE, ROOT, Node, StepFailedError, install_node, run


def project_python() -> Path:
    """Return the interpreter that has the project's test packages."""
    own = ROOT / ".venv" / "bin" / "python"
    return own if own.exists() else Path(sys.executable)


def install_packages(node: Node) -> None:
    """Install what the lock file names, unless the last run installed just that."""
    lock = (PACKAGE / "package-lock.json").read_bytes()
    wanted = f"{NODE_VERSION} {hashlib.sha256(lock).hexdigest()}"
    stamp = PACKAGE / "node_modules" / ".atos-installed"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return
    command = [node.bin / "npm", "ci", "--ignore-scripts"]
    run("npm ci", command, folder=PACKAGE, environ=node.environ(), deadline=900)
    stamp.write_text(wanted, encoding="utf-8")


def check_package(node: Node, scripts: tuple[str, ...] = ("build", "lint", "test")) -> None:
    """Build, lint and test the node package.

    Args:
        node: the Node that runs npm.
        scripts: of the package, in their order.

    Raises:
        StepFailedError: one of them failed.
    """
    install_packages(node)
    for script in scripts:
        command = [node.bin / "npm", "run", script]
        run(f"npm run {script}", command, folder=PACKAGE, environ=node.environ(), deadline=300)


def check_workflows() -> None:
    """Check the exported workflow files; `make test` runs the same tests.

    Raises:
        StepFailedError: a file breaks the contract.
    """
    command = [project_python(), "-m", "pytest", ROOT / "tests" / "n8n", "-q"]
    run("workflow files", command, deadline=300)


def _check_all(parts: set[str], *, whole: bool) -> None:
    """Check the package, while n8n is installed where it is not there yet, and then these parts of the real n8n.

    Raises:
        StepFailedError: something failed; where that is the package, once n8n is installed.
    """
    node = install_node()
    with ThreadPoolExecutor(1) as meanwhile:
        installed = meanwhile.submit(install_host, node) if parts else None
        if whole:
            check_package(node)
            check_workflows()
        else:
            check_package(node, ("build",))
        if installed is not None:
            installed.result()
    if parts:
        real.check(node, parts)


def main() -> int:
    """Run the checks; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", choices=tuple(real.SETS), help="with these parts of a real n8n")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=real.PARTS,
        default=[],
        help="these parts of the real n8n, and nothing else",
    )
    arguments = parser.parse_args()
    CACHE.mkdir(parents=True, exist_ok=True)
    parts = arguments.only or real.SETS.get(arguments.real, ())
    try:
        _check_all(set(parts), whole=not arguments.only)
    except StepFailedError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print("n8n: all checks passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
