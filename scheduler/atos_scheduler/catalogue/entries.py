"""The settings files of models and pools: shipped ones, with the person's own laid over them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from atos_protocol.errors import BadConfigError
from atos_scheduler.catalogue.reader import Value, read

DEFAULTS = Path(__file__).parent.parent / "defaults"
MINI_MODEL = "atos-mini"
MOST_TOKENS = 1 << 20

Dialect = Literal["chat", "mini"]
Written = dict[str, dict[str, Any]]
"""Name -> the fields that are written for it."""


@dataclass(frozen=True, slots=True)
class Profile:
    """When a profile is in force."""

    name: str
    device: str = ""
    """Kind of device; empty: any."""
    budget_below: int = 0
    """Bytes; 0: any budget."""

    def fits(self, kind: str, budget: int) -> bool:
        """Tell whether this profile suits a device."""
        suits = self.device in {"", kind}
        return suits and (not self.budget_below or budget < self.budget_below)


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """What is known of a model beside what an engine says of it; 0 where nothing is."""

    name: str
    weights: int = 0
    kv_per_token: int = 0
    compute: int = 0
    context: int = 0
    slots: int = 0
    system: bool = True
    schema: bool = True
    dialect: Dialect = "chat"
    aliases: tuple[str, ...] = ()
    source: str = ""
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class PoolEntry:
    """A pool's contract and the models that are meant for it."""

    name: str
    context: int = 4096
    output: int = 2048
    system: bool = True
    schema: bool = True
    dialect: Dialect = "chat"
    adopt: Literal["largest", "smallest", "none"] = "largest"
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entries:
    """Everything that the settings files say, with one profile in force."""

    profile: str
    models: dict[str, ModelEntry]
    pools: dict[str, PoolEntry]


Parsers = dict[str, Callable[[Value], Any]]


def _texts(value: Value) -> tuple[str, ...]:
    """Read one text, or a list of them."""
    return (value.text(),) if value.is_scalar else value.texts()


OPTION_FIELDS: Parsers = {
    "temperature": lambda v: v.number(0, 10),
    "seed": lambda v: v.whole(0, 2**31 - 1),
    "stop": _texts,
    "num_predict": lambda v: v.whole(1, MOST_TOKENS),
    "top_k": lambda v: v.whole(0, 1000),
    "top_p": lambda v: v.number(0, 1),
    "min_p": lambda v: v.number(0, 1),
    "typical_p": lambda v: v.number(0, 1),
    "repeat_penalty": lambda v: v.number(0, 10),
    "repeat_last_n": lambda v: v.whole(-1, MOST_TOKENS),
    "presence_penalty": lambda v: v.number(-10, 10),
    "frequency_penalty": lambda v: v.number(-10, 10),
    "num_batch": lambda v: v.whole(1, 1 << 16),
    "num_gpu": lambda v: v.whole(0, 1000),
    "num_thread": lambda v: v.whole(1, 1024),
}
"""Ollama's names; the last three say how its engine loads the model."""

MODEL_FIELDS: Parsers = {
    "weights": Value.size,
    "kv_per_token": Value.size,
    "compute": Value.size,
    "context": lambda v: v.whole(128, MOST_TOKENS),
    "slots": lambda v: v.whole(1, 64),
    "system": Value.flag,
    "schema": Value.flag,
    "dialect": lambda v: v.choice(("chat", "mini")),
    "aliases": Value.texts,
    "source": Value.text,
    "options": lambda v: v.fields(OPTION_FIELDS),
}
POOL_FIELDS: Parsers = {
    "context": lambda v: v.whole(128, MOST_TOKENS),
    "output": lambda v: v.whole(16, MOST_TOKENS),
    "system": Value.flag,
    "schema": Value.flag,
    "dialect": lambda v: v.choice(("chat", "mini")),
    "adopt": lambda v: v.choice(("largest", "smallest", "none")),
    "members": Value.texts,
}
PROFILE_FIELDS: Parsers = {
    "device": lambda v: v.choice(("cpu", "cuda", "simulated")),
    "budget_below": Value.size,
}


def _entry(value: Value, parsers: Parsers) -> dict[str, Any]:
    """Read one model or pool: its fields, and what profiles change of them."""
    profiles: Parsers = {
        "profiles": lambda v: {name: item.fields(parsers) for name, item in v.entries()}
    }
    return value.fields(parsers | profiles)


def _section(parsers: Parsers) -> Callable[[Value], Written]:
    return lambda value: {name: _entry(item, parsers) for name, item in value.entries()}


def _profiles(value: Value) -> Written:
    return {name: item.fields(PROFILE_FIELDS) for name, item in value.entries()}


FILES: dict[str, Parsers] = {
    "models.yaml": {"models": _section(MODEL_FIELDS), "profiles": _profiles},
    "agents.yaml": {"pools": _section(POOL_FIELDS)},
}
"""File name -> what its top level may hold."""


def _read(folder: Path) -> dict[str, Written]:
    """Read both settings files of a folder, as far as they are there."""
    found: dict[str, Written] = {"models": {}, "profiles": {}, "pools": {}}
    for name, parsers in FILES.items():
        if (value := read(folder / name)) is not None:
            found |= value.fields(parsers)
    return found


def _laid_over(layers: Iterable[Written]) -> Written:
    """Lay entries over one another by name, field by field."""
    merged: Written = {}
    for layer in layers:
        for name, fields in layer.items():
            merged[name] = merged.get(name, {}) | fields
    return merged


def _in_force(written: Written, profile: str) -> Written:
    """Let a profile's fields replace the plain ones of the same file."""
    return {
        name: {key: value for key, value in fields.items() if key != "profiles"}
        | fields.get("profiles", {}).get(profile, {})
        for name, fields in written.items()
    }


def _check(entries: Entries) -> None:
    for pool in entries.pools.values():
        if pool.output > pool.context:
            message = f"pool {pool.name}: output {pool.output} is above its context {pool.context}"
            raise BadConfigError(message, next_step="Change one of them in agents.yaml.")
        if unknown := [m for m in pool.members if m not in entries.models]:
            message = f"pool {pool.name}: member {unknown[0]!r} is not in models.yaml"
            raise BadConfigError(message, next_step="Add it there; `{}` is enough of an entry.")


def load_entries(home: Path, kind: str, budget: int) -> Entries:
    """Read the shipped settings files with the person's own over them, for one device.

    Raises:
        BadConfigError: a file can't be used; the message names file, line and field.
    """
    layers = [_read(folder) for folder in (DEFAULTS, home)]
    written = _laid_over(layer["profiles"] for layer in layers)
    profiles = [Profile(name, **fields) for name, fields in written.items()]
    profile = next((p.name for p in profiles if p.fits(kind, budget)), "")
    # a person's plain field beats a shipped profile's: the profile is settled file by file
    written = _laid_over(_in_force(layer["models"], profile) for layer in layers)
    models = {name: ModelEntry(name, **fields) for name, fields in written.items()}
    written = _laid_over(_in_force(layer["pools"], profile) for layer in layers)
    pools = {name: PoolEntry(name, **fields) for name, fields in written.items()}
    entries = Entries(profile, models, pools)
    _check(entries)
    return entries
