"""The cached environments of one ATOS home, and the processes that install them.

`<home>/environments/KEY/` holds `site/`, which the sandbox mounts, and `manifest.json`. An environment
never changes: other names or versions are another key. Installing is the work of a process of its own
(`install`), so a call may end while it goes on; whoever asks again waits for the same process. It ends
with the process that started it.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import anyio

from atos_protocol.errors import BusyError, ConflictError, PackagesError, from_wire
from atos_protocol.packages import InstalledPackage
from atos_protocol.shortage import shortage_of
from atos_servers.code_runner.packages import install
from atos_servers.code_runner.packages.pip_failures import passing
from atos_servers.code_runner.packages.requirements import checked_packages, environment_key

INSTALL_SECONDS = 600.0
"""For pandas and matplotlib a busy 2-core machine took 165 s, mostly for compiling their modules."""
WAIT_SECONDS = 25.0
"""How long one call waits: well below the 45 s after which a host ends it, even on a busy machine."""
POLL_SECONDS = 0.1
AT_ONCE = 4
"""Installations that one host has going: each is a pip with its downloads."""


@dataclass(frozen=True, slots=True)
class Environment:
    """An installed environment."""

    site: Path
    """The folder for `sys.path`."""
    packages: tuple[InstalledPackage, ...] = ()
    modules: tuple[str, ...] = ()
    """Top-level modules that the packages provide."""


class Environments:
    """Finds and installs environments below one folder.

    Args:
        root: made at the first installation.
        install_seconds: how long one installation may last.
        wait_seconds: how long `prepare` waits for it.
    """

    def __init__(
        self,
        root: Path,
        *,
        install_seconds: float = INSTALL_SECONDS,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        self._root = root
        self._install_seconds = install_seconds
        self._wait_seconds = wait_seconds
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        """Installations that this process has started, by key."""

    def folders(self, asked: Iterable[str]) -> tuple[str, ...]:
        """Return the folders for `sys.path`: none where nothing is asked for.

        Raises:
            BadRequestError: these are no packages.
            ConflictError: they are not installed yet.
        """
        requirements = checked_packages(asked)
        if not requirements:
            return ()
        if (found := self._find(environment_key(requirements))) is None:
            message = f"{', '.join(requirements)}: not installed for the sandbox yet"
            step = "Call prepare_packages with the same packages until its state is ready."
            raise ConflictError(message, next_step=step)
        return (str(found.site),)

    async def prepare(self, asked: Iterable[str]) -> Environment | None:
        """Install packages, or wait for an installation that goes on; None while it still does.

        Raises:
            BadRequestError: these are no packages.
            PackagesError: they can't be installed; asking again tries again.
            BusyError: too many others are being installed.
        """
        requirements = checked_packages(asked)
        if not requirements:
            return Environment(self._root)
        key = environment_key(requirements)
        if found := self._find(key):
            return found
        process = self.running.get(key) or self._start(key, requirements)
        with anyio.move_on_after(self._wait_seconds):
            while process.poll() is None:  # noqa: ASYNC110 - a child that ends sets no event
                await anyio.sleep(POLL_SECONDS)
        if process.poll() is None:
            return None
        if self.running.get(key) is process:
            del self.running[key]
        if found := self._find(key):
            return found
        raise self._failure(key, process.returncode)

    async def is_busy(self) -> bool:
        """Tell whether an installation is under way."""
        return any(process.poll() is None for process in self.running.values())

    def _start(self, key: str, requirements: tuple[str, ...]) -> subprocess.Popen[bytes]:
        """Start the installation; from the event loop's thread, with which it ends."""
        going = sum(process.poll() is None for process in self.running.values())
        if going >= AT_ONCE:
            message = f"{going} installations of packages are going on"
            raise BusyError(message, next_step="Ask again in a minute.")
        try:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            message = f"{self._root} can't be made: {error.strerror}"
            failed = PackagesError(message, next_step="Make it writable, or set ATOS_HOME.")
            raise shortage_of(error) or failed from error
        self.running[key] = subprocess.Popen(
            [
                sys.executable, "-I", "-m", install.__name__, str(os.getpid()), str(self._root), key,
                str(self._install_seconds), *requirements,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )  # fmt: skip
        return self.running[key]

    def _find(self, key: str) -> Environment | None:
        folder = self._root / key
        if (manifest := install.complete(folder)) is None:
            return None
        packages = tuple(InstalledPackage(**entry) for entry in manifest["packages"])
        return Environment(folder / install.SITE, packages, tuple(manifest["modules"]))

    def _failure(self, key: str, code: int) -> Exception:
        with contextlib.suppress(FileNotFoundError, ValueError):
            return from_wire(json.loads(install.failure_file(self._root, key).read_bytes()))
        message = f"the installation was ended from outside (exit code {code})"
        return passing(PackagesError(message, next_step="Call prepare_packages again."))
