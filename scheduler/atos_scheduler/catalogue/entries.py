"""The settings files of models and pools: the shipped ones, overridden by the person's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from atos_daemon.yaml_file import load_yaml
from atos_protocol.errors import BadConfigError
from atos_protocol.scheduler_api import Dialect
from atos_protocol.setting_values import SIZE_UNITS
from atos_scheduler.catalogue.origin import PERMISSIVE, Download, Finding

DEFAULTS = Path(__file__).parent.parent / "defaults"
MOST_TOKENS = 1 << 20
NO_SIZE = PydanticCustomError("size", "Input should be bytes, or a size such as 1840MiB")
REPEATED = PydanticCustomError("repeated", "Input should be a list without repetitions")


def _bytes(value: object) -> int:
    """Read bytes, written as a number or as text such as `1840MiB`."""
    text = str(value).upper()
    unit = next((u for u in SIZE_UNITS if text.endswith(u)), "")
    try:
        size = int(float(text.removesuffix(unit)) * SIZE_UNITS.get(unit, 1))
    except (ValueError, OverflowError):
        size = -1
    if size < 0:
        raise NO_SIZE
    return size


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise REPEATED
    return names


Name = Annotated[str, Field(min_length=1)]
Names = Annotated[tuple[Name, ...], AfterValidator(_distinct)]
Size = Annotated[int, BeforeValidator(_bytes)]
Context = Annotated[int, Field(ge=128, le=MOST_TOKENS)]


class _Checked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=True)


class Options(_Checked):
    """Ollama's sampling options; the last three say how its engine loads the model."""

    temperature: float | None = Field(default=None, ge=0, le=10)
    seed: int | None = Field(default=None, ge=0, lt=2**31)
    stop: Annotated[
        tuple[Name, ...], BeforeValidator(lambda v: [v] if isinstance(v, str) else v)
    ] = ()
    num_predict: int | None = Field(default=None, ge=1, le=MOST_TOKENS)
    top_k: int | None = Field(default=None, ge=0, le=1000)
    top_p: float | None = Field(default=None, ge=0, le=1)
    min_p: float | None = Field(default=None, ge=0, le=1)
    typical_p: float | None = Field(default=None, ge=0, le=1)
    repeat_penalty: float | None = Field(default=None, ge=0, le=10)
    repeat_last_n: int | None = Field(default=None, ge=-1, le=MOST_TOKENS)
    presence_penalty: float | None = Field(default=None, ge=-10, le=10)
    frequency_penalty: float | None = Field(default=None, ge=-10, le=10)
    num_batch: int | None = Field(default=None, ge=1, le=1 << 16)
    num_gpu: int | None = Field(default=None, ge=0, le=1000)
    num_thread: int | None = Field(default=None, ge=1, le=1024)


class ModelEntry(_Checked):
    """What is known of a model besides what an engine reports; 0 where nothing is."""

    weights: Size = 0
    kv_per_token: Size = 0
    compute: Size = 0
    context: Context = 0
    slots: int = Field(default=0, ge=1, le=64)
    most_slots: int = Field(default=0, ge=1, le=64)
    """Up to how many slots it may be loaded with where waiting work can use them; 0: the engine's own rule."""
    pin: bool = False
    """Whether it keeps its memory for as long as nobody has waited too long for that."""
    cache: Literal["f16", "q8_0"] = "f16"
    """Type of the key/value cache's elements: `q8_0` takes half the memory (embedded engine)."""
    system: bool = True
    json_schema: bool = Field(default=True, alias="schema")
    dialect: Dialect = "chat"
    aliases: Names = ()
    source: Name = ""
    options: Options = Options()
    licence: str = ""
    download: Download | None = None
    why: str = ""
    published: tuple[Finding, ...] = ()
    measured: tuple[Finding, ...] = ()

    @property
    def permissive(self) -> bool:
        """Whether anybody may use it for any purpose."""
        return self.licence in PERMISSIVE


class PoolEntry(_Checked):
    """A pool's contract and the models that are meant for it."""

    context: Context = 4096
    output: int = Field(default=2048, ge=16, le=MOST_TOKENS)
    system: bool = True
    json_schema: bool = Field(default=True, alias="schema")
    dialect: Dialect = "chat"
    adopt: Literal["largest", "smallest", "none"] = "largest"
    samples: int = Field(default=0, ge=0, le=64)
    reflect: bool = False
    members: Names = ()


class Profile(_Checked):
    """A size of card, and so when its fields are in force."""

    device: Literal["", "cpu", "cuda", "simulated"] = ""
    """Kind of device; empty: any."""
    budget_below: Size = 0
    """Bytes; 0: any budget."""

    def fits(self, kind: str, budget: int) -> bool:
        """Return whether this profile applies to a device."""
        suits = self.device in {"", kind}
        return suits and (not self.budget_below or budget < self.budget_below)


class _ModelInFile(ModelEntry):
    profiles: dict[Name, ModelEntry] = {}


class _PoolInFile(PoolEntry):
    profiles: dict[Name, PoolEntry] = {}


class _ModelsFile(_Checked):
    models: dict[Name, _ModelInFile] = {}
    profiles: dict[Name, Profile] = {}


class _AgentsFile(_Checked):
    pools: dict[Name, _PoolInFile] = {}


@dataclass(frozen=True, slots=True)
class Entries:
    """Everything that the settings files say, with one profile in force."""

    profile: str
    models: dict[str, ModelEntry]
    pools: dict[str, PoolEntry]


Entry = TypeVar("Entry", bound=BaseModel)


def _written(entry: BaseModel) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in entry.model_fields_set}


def _in_force(entry: BaseModel, profile: str) -> dict[str, Any]:
    """Return the fields that a file sets; a profile's replace the plain ones of the same file."""
    fields = _written(entry)
    profiles: dict[str, BaseModel] = fields.pop("profiles", {})
    return fields | (_written(profiles[profile]) if profile in profiles else {})


def _merged(
    kind: type[Entry], layers: Iterable[Mapping[str, BaseModel]], profile: str = ""
) -> dict[str, Entry]:
    """Override entries by those of later layers, by name and field by field."""
    merged: dict[str, dict[str, Any]] = {}
    for layer in layers:
        for name, entry in layer.items():
            merged[name] = merged.get(name, {}) | _in_force(entry, profile)
    return {name: kind(**fields) for name, fields in merged.items()}


def load_entries(home: Path, kind: str, budget: int, model_set: str = "default") -> Entries:
    """Read the shipped settings files and the person's own, which override them, for one device.

    Args:
        home: folder of the person's own files.
        kind: what the device is.
        budget: bytes of the device that may be used.
        model_set: which of the shipped sets the pools list.

    Raises:
        BadConfigError: a file can't be used; the message names file, line and field.
    """
    models = [load_yaml(folder / "models.yaml", _ModelsFile)[0] for folder in (DEFAULTS, home)]
    shipped = "agents.yaml" if model_set == "default" else f"agents-{model_set}.yaml"
    agents = [
        load_yaml(path, _AgentsFile)[0] for path in (DEFAULTS / shipped, home / "agents.yaml")
    ]
    profiles = _merged(Profile, (file.profiles for file in models))
    profile = next((name for name, p in profiles.items() if p.fits(kind, budget)), "")
    entries = Entries(
        profile,
        _merged(ModelEntry, (file.models for file in models), profile),
        _merged(PoolEntry, (file.pools for file in agents), profile),
    )
    _check(entries)
    return entries


def _check(entries: Entries) -> None:
    for name, pool in entries.pools.items():
        if pool.output > pool.context:
            message = f"pool {name}: output {pool.output} is above its context {pool.context}"
            raise BadConfigError(message, next_step="Change one of them in agents.yaml.")
        if unknown := [m for m in pool.members if m not in entries.models]:
            message = f"pool {name}: member {unknown[0]!r} is not in models.yaml"
            raise BadConfigError(message, next_step="Add it there; `{}` is enough of an entry.")
