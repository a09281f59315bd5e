"""Load a YAML settings file into a pydantic model; every error names file, line and field.

Scalars stay text until pydantic reads them, so a model called `1.10` keeps its name, and no tag of
the file is ever built into an object. A field's `description` says in errors what it should be; the
values of a field with `repr=False`, and all that is inside it, are secret and never shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any, TypeVar, cast, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from atos_protocol.errors import BadConfigError
from atos_protocol.shortage import shortage_of

Model = TypeVar("Model", bound=BaseModel)
MAX_BYTES = 256 * 1024
MAX_DEPTH = 16
"""An alias can make a tree of any depth."""
MAX_VALUES = 1 << 17
"""Aliases of aliases can make any number of values; without them so many need `MAX_BYTES`."""
MISTAKES = {
    "missing": "is missing",
    "extra_forbidden": "unknown field",
    "model_type": "must be a mapping of fields",
}
Location = tuple[str | int, ...]
"""Where a value stands in the file, as pydantic names it: `("models", "a", "aliases", 0)`."""


@dataclass(frozen=True, slots=True)
class Places:
    """The lines of a file's values."""

    path: Path
    lines: dict[Location, int]

    def known(self, at: Location) -> Location:
        """Return the location, or the nearest one above it that the file has."""
        return next((at[:n] for n in range(len(at), 0, -1) if at[:n] in self.lines), ())

    def where(self, *at: str | int) -> str:
        """Return file, line and field, as errors name them."""
        field = ""
        for part in at:
            field += f"[{part}]" if isinstance(part, int) else f".{part}" if field else part
        line = self.lines.get(self.known(at), 1)
        return f"{self.path}, line {line}" + (f", {field}" if field else "")


def load_yaml(path: Path, kind: type[Model], limit: int = MAX_BYTES) -> tuple[Model, Places]:
    """Read a settings file; one that is missing or empty is a model without fields.

    Raises:
        BadConfigError: it can't be read, has more than `limit` bytes, is not YAML, or does not fit
            the model.
    """
    raw = _read(path, limit)
    try:
        return parse_yaml(raw.decode(), path, kind)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        message = f"{path}, line {line}: not UTF-8 text"
        raise BadConfigError(message, next_step="Save it as UTF-8.") from error


def parse_yaml(text: str, path: Path, kind: type[Model]) -> tuple[Model, Places]:
    """Read settings from text; `path` is for messages.

    Raises:
        BadConfigError: it is not YAML, or does not fit the model.
    """
    places = Places(path, {})
    root = _composed(text, path)
    if root is None:
        return kind(), places
    try:
        return kind.model_validate(_plain(root, (), root, places)), places
    except ValidationError as error:
        raise _misfit(kind, places, error.errors()[0]) from None  # It would show secret values.


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as source:
            raw = source.read(limit + 1)
    except FileNotFoundError:
        return b""
    except OSError as error:
        message = f"{path} can't be read: {error.strerror}"
        wrong = BadConfigError(message, next_step="Fix its permissions, or remove it.")
        raise shortage_of(error) or wrong from error
    if len(raw) > limit:
        message = f"{path} has more than {limit} bytes"
        raise BadConfigError(message, next_step="Shorten the file, or remove it.")
    return raw


def _composed(text: str, path: Path) -> yaml.Node | None:
    try:
        return cast("yaml.Node | None", yaml.compose(text, Loader=yaml.BaseLoader))  # pyright: ignore[reportUnknownMemberType]
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError) as error:
        mark: yaml.Mark | None = getattr(error, "problem_mark", None)
        line = mark.line if mark else text.count("\n", 0, getattr(error, "position", 0))
        unmarked = getattr(error, "reason", "nested too deeply, or a character that does not exist")
        problem = getattr(error, "problem", None) or unmarked
        message = f"{path}, line {line + 1}: not valid YAML: {problem}"
        raise BadConfigError(message, next_step="Correct the file, or remove it.") from error


def _plain(node: yaml.Node, at: Location, start: yaml.Node, places: Places) -> object:
    """Return a node's values without their tags, and note the line where each one starts."""
    _note(at, start, places)
    if isinstance(node, yaml.MappingNode):
        pairs: list[tuple[yaml.Node, yaml.Node]] = node.value
        named = ((str(key.value), key, value) for key, value in pairs)
        return {name: _plain(value, (*at, name), key, places) for name, key, value in named}
    if isinstance(node, yaml.SequenceNode):
        items: list[yaml.Node] = node.value
        return [_plain(item, (*at, n), item, places) for n, item in enumerate(items)]
    return cast("str", node.value)


def _note(at: Location, start: yaml.Node, places: Places) -> None:
    repeated = at in places.lines
    places.lines[at] = start.start_mark.line + 1
    if repeated:
        message = f"{places.where(*at)}: written twice"
        raise BadConfigError(message, next_step="Keep one of them.")
    if len(at) > MAX_DEPTH or len(places.lines) > MAX_VALUES:
        message = f"{places.where(*at[:2])}: nested too deeply"
        raise BadConfigError(message, next_step="Write it flat, without references (`*name`).")


def _misfit(kind: type[BaseModel], places: Places, first: ErrorDetails) -> BadConfigError:
    """Report the first thing that does not fit, at the deepest place that the file has for it."""
    mistake, value = first["type"], first["input"]
    at = first["loc"] if mistake == "missing" else places.known(first["loc"])
    fields, inside = _fields(kind, at)
    hidden = mistake in MISTAKES or any(not field.repr for field in fields)
    shown = f"{value[:60]!r} " if isinstance(value, str) and not hidden else ""
    message = f"{places.where(*at)}: {shown}{MISTAKES.get(mistake, 'does not fit')}"
    if mistake in {"extra_forbidden", "model_type"}:
        return BadConfigError(message, next_step=f"Known are: {', '.join(sorted(_named(inside)))}.")
    fits = f"It should be {fields[-1].description}" if fields and fields[-1].description else ""
    return BadConfigError(message, next_step=f"{fits or first['msg']}.")


def _fields(kind: Any, at: Location) -> tuple[list[FieldInfo], Any]:
    """Return the models' fields on the way to a place, and the type of what is there."""
    fields: list[FieldInfo] = []
    for part in at:
        if not isinstance(kind, type) or not issubclass(kind, BaseModel):
            kind = _inside(kind)
        elif field := _named(kind).get(str(part)):
            fields.append(field)
            kind = field.annotation
            kind = _inside(kind) if NoneType in get_args(kind) else kind
    return fields, kind


def _inside(kind: Any) -> Any:
    """Return the type in `dict[str, X]`, `tuple[X, ...]` or `X | None`."""
    return next((k for k in reversed(get_args(kind)) if k not in {..., NoneType}), None)


def _named(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}
