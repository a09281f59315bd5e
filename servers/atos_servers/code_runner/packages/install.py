"""Installs one environment: `python -I -m ...install PARENT ROOT KEY SECONDS REQUIREMENT...`.

    take the key's lock -> already there? done
                        -> pip, wheels only, into `.building-KEY-*` -> read its report -> manifest
                        -> rename to KEY

What is visible is complete: a folder gets its name by the rename at the end. Two processes that want
the same are one, by the lock. A killed process leaves a `.building-*` folder, which the next holder of
its lock removes. Why an installation failed is left in `KEY.failed.json` for whoever started it.
"""

from __future__ import annotations

import contextlib
import fcntl
import inspect
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from atos_protocol.errors import AtosError, NoSpaceError, PackagesError
from atos_protocol.shortage import shortage_of
from atos_servers.code_runner.packages import pip_process
from atos_servers.code_runner.packages.index_settings import clean_environment, read_pip_settings
from atos_servers.code_runner.packages.pip_failures import explain, passing
from atos_servers.code_runner.sandbox import kernel

MANIFEST = "manifest.json"
SITE = "site"
BUILDING = ".building-"
LOOK_SECONDS = 0.05
LEAST_DISK = 512 * 2**20
"""Bytes that must be free before an installation begins."""

OPTIONS = (
    "install", "--quiet", "--no-input", "--no-color", "--no-cache-dir", "--progress-bar", "off",
    "--disable-pip-version-check", "--root-user-action", "ignore", "--no-warn-script-location",
    "--only-binary", ":all:",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Order:
    """One environment to install."""

    root: Path
    key: str
    requirements: tuple[str, ...]
    deadline: float
    """On the monotonic clock."""

    @property
    def seconds_left(self) -> float:
        """What remains of the time; at least a moment, so that it can be passed on."""
        return max(0.01, self.deadline - time.monotonic())


def failure_file(root: Path, key: str) -> Path:
    """Return where the reason of a failed installation is left."""
    return root / f"{key}.failed.json"


@contextlib.contextmanager
def locked(root: Path, key: str, deadline: float) -> Generator[None]:
    """Hold the right to install `key`; the kernel drops it with the process.

    Raises:
        PackagesError: another process holds it until the deadline.
    """
    handle = os.open(root / f"{key}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    message = "another process is still installing the same packages"
                    raise passing(PackagesError(message, next_step="Try again later.")) from None
                time.sleep(LOOK_SECONDS)
        yield
    finally:
        os.close(handle)


def complete(folder: Path) -> dict[str, Any] | None:
    """Return the manifest of an installed environment; None where there is none that can be used."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        return manifest if {"packages", "modules"} <= manifest.keys() else None
    except (OSError, ValueError, AttributeError):
        return None


def sweep(root: Path, own: str) -> None:
    """Remove what killed installations left; the lock of `own` is held."""
    for folder in root.glob(f"{BUILDING}*"):
        key = folder.name.removeprefix(BUILDING).partition("-")[0]
        with contextlib.suppress(PackagesError), contextlib.ExitStack() as held:
            if key != own:
                held.enter_context(locked(root, key, deadline=0.0))
            shutil.rmtree(folder, ignore_errors=True)


def install(order: Order) -> None:
    """Install an environment unless it is there already.

    Raises:
        PackagesError: pip could not, or the time is over.
        NoSpaceError: there is too little room on the disk.
        OSError: the folder can't be written.
    """
    with locked(order.root, order.key, order.deadline):
        if complete(order.root / order.key) is not None:
            return
        shutil.rmtree(order.root / order.key, ignore_errors=True)
        failure_file(order.root, order.key).unlink(missing_ok=True)
        sweep(order.root, order.key)
        _require_disk(order.root)
        building = Path(tempfile.mkdtemp(prefix=f"{BUILDING}{order.key}-", dir=order.root))
        try:
            manifest = _build(order, building)
            (building / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
            building.rename(order.root / order.key)
        finally:
            shutil.rmtree(building, ignore_errors=True)


def _require_disk(root: Path) -> None:
    free = shutil.disk_usage(root).free
    if free < LEAST_DISK:
        message = (
            f"{free // 2**20} MiB are free in {root}; an installation needs {LEAST_DISK // 2**20}"
        )
        raise NoSpaceError(message, next_step="Free space there, then try again.")


def _build(order: Order, building: Path) -> dict[str, Any]:
    """Run pip in the folder; return the manifest of what it installed."""
    began = time.monotonic()
    home, report = building / "home", building / "report.json"
    home.mkdir()
    _run_pip(order, home, ("--target", str(building / SITE), "--report", str(report)))
    entries = json.loads(report.read_text(encoding="utf-8"))["install"]
    shutil.rmtree(home)
    shutil.rmtree(building / SITE / "bin", ignore_errors=True)  # entry points: nobody calls them
    report.unlink()
    return {
        "requirements": list(order.requirements),
        "packages": installed(entries, order.requirements),
        "modules": provided(building / SITE),
        "seconds": round(time.monotonic() - began, 1),
    }


def installed(entries: Sequence[dict[str, Any]], wanted: Sequence[str]) -> list[dict[str, Any]]:
    """Return what pip's report says was installed, by name.

    Raises:
        PackagesError: something came from a URL that a package named, not from the index.
    """
    asked = {canonicalize_name(Requirement(text).name) for text in wanted}
    found: list[dict[str, Any]] = []
    for entry in entries:
        name = canonicalize_name(entry["metadata"]["name"])
        if entry.get("is_direct"):
            message = f"{name} is required by a URL, not from the package index"
            raise PackagesError(message, next_step="Choose a package that needs none.")
        archive = entry["download_info"].get("archive_info", {})
        found.append(
            {
                "name": name,
                "version": entry["metadata"]["version"],
                "sha256": archive.get("hashes", {}).get("sha256", ""),
                "requested": name in asked,
            }
        )
    return sorted(found, key=lambda package: package["name"])


def provided(site: Path) -> list[str]:
    """Return the top-level modules of a folder for `sys.path`."""
    files = {inspect.getmodulename(each) for each in site.iterdir() if each.is_file()}
    folders = {each.name for each in site.iterdir() if each.is_dir()}
    return sorted(n for n in files | folders if n and n.isidentifier() and n != "__pycache__")


def _run_pip(order: Order, home: Path, options: Sequence[str]) -> None:
    module = [sys.executable, "-I", "-m", pip_process.__name__, str(os.getpid())]
    command = [*module, *OPTIONS, *options, "--", *order.requirements]
    environment = clean_environment(read_pip_settings(), str(home))
    try:
        done = subprocess.run(
            command, env=environment, cwd=home, stdin=subprocess.DEVNULL, capture_output=True,
            check=False, timeout=order.seconds_left,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        message = f"{', '.join(order.requirements)} could not be installed in time"
        raise PackagesError(message, next_step="Try again; name fewer packages.") from error
    if done.returncode:
        raise explain(done.stderr.decode(errors="replace"), order.requirements)


def _leave(order: Order, error: AtosError) -> None:
    fresh = order.root / f"{order.key}.{os.getpid()}.new"
    fresh.write_text(json.dumps(error.to_wire()), encoding="utf-8")
    fresh.replace(failure_file(order.root, order.key))


def main(parent: str, root: str, key: str, seconds: str, *requirements: str) -> int:
    """Install one environment and say how that went; the exit code is 0 if it is there."""
    with contextlib.suppress(OSError):  # only Linux has this
        kernel.die_with(int(parent))
    order = Order(Path(root), key, requirements, time.monotonic() + float(seconds))
    try:
        install(order)
    except AtosError as error:
        _leave(order, error)
        return 1
    except (OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
        message = f"the installation failed: {type(error).__name__}: {str(error)[:300]}"
        failed = PackagesError(message, next_step=f"See that {root} can be written.")
        _leave(order, shortage_of(error) or failed)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
