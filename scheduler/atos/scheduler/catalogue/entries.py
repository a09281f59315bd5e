"""The settings files of models and pools: shipped ones, with the person's own laid over them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from atos.scheduler.catalogue.reader import Value, read
from atos.scheduler.errors import BadConfigError

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
    slots: int = 1
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


def _options(value: Value) -> dict[str, Any]:
    return {name: item.scalar() for name, item in value.entries()}


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
    "options": _options,
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


def _merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Lay one file's entries over another's, field by field."""
    merged = dict(below)
    for name, value in above.items():
        old = merged.get(name)
        both = isinstance(old, dict) and isinstance(value, dict)
        merged[name] = (
            _merge(cast(dict[str, Any], old), cast(dict[str, Any], value)) if both else value
        )
    return merged


def _read_all(folders: Iterable[Path]) -> dict[str, Written]:
    found: dict[str, Any] = {"models": {}, "profiles": {}, "pools": {}}
    for folder in folders:
        for name, parsers in FILES.items():
            if (value := read(folder / name)) is not None:
                found = _merge(found, value.fields(parsers))
    return found


def _in_force(written: Written, profile: str) -> Iterable[tuple[str, dict[str, Any]]]:
    for name, fields in written.items():
        plain = {key: value for key, value in fields.items() if key != "profiles"}
        yield name, plain | fields.get("profiles", {}).get(profile, {})


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
    written = _read_all((DEFAULTS, home))
    profiles = [Profile(name, **fields) for name, fields in written["profiles"].items()]
    profile = next((p.name for p in profiles if p.fits(kind, budget)), "")
    models = {n: ModelEntry(n, **f) for n, f in _in_force(written["models"], profile)}
    pools = {n: PoolEntry(n, **f) for n, f in _in_force(written["pools"], profile)}
    entries = Entries(profile, models, pools)
    _check(entries)
    return entries
