"""Load a YAML settings file into a pydantic model; every error names file, line and field.

Scalars stay text until pydantic reads them, so a model called `1.10` keeps its name, and no tag of
the file is ever built into an object.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

import yaml
from pydantic import BaseModel, ValidationError

from atos_protocol.errors import BadConfigError

Model = TypeVar("Model", bound=BaseModel)
MAX_DEPTH = 16
"""An alias can make a tree of any depth."""
Location = tuple[str | int, ...]
"""Where a value stands in the file, as pydantic names it: `("models", "a", "aliases", 0)`."""


def load_yaml(path: Path, kind: type[Model]) -> Model:
    """Read a settings file; one that is missing or empty is a model without fields.

    Raises:
        BadConfigError: it can't be read, is not YAML, or does not fit the model.
    """
    root = _parse(path)
    if root is None:
        return kind()
    nodes = dict(_located(path, root, ()))
    try:
        return kind.model_validate(_plain(root))
    except ValidationError as error:
        raise _error(path, kind, nodes, error) from error


def _plain(node: yaml.Node) -> object:
    return cast("object", yaml.BaseLoader("").construct_object(node, deep=True))  # pyright: ignore[reportUnknownMemberType]


def _parse(path: Path) -> yaml.Node | None:
    step = "Correct the file, or remove it."
    try:
        text = path.read_text(encoding="utf-8")
        return cast("yaml.Node | None", yaml.compose(text, Loader=yaml.BaseLoader))  # pyright: ignore[reportUnknownMemberType]
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path} can't be read: {error}"
        raise BadConfigError(message, next_step=step) from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        message = f"{path}, line {line}: {error.problem or 'not valid YAML'}"
        raise BadConfigError(message, next_step=step) from error
    except (yaml.YAMLError, RecursionError) as error:
        message = f"{path} is not valid YAML: {error}"
        raise BadConfigError(message, next_step=step) from error


Located = tuple[Location, tuple[yaml.Node, yaml.Node]]
"""A location, and the nodes of its key and its value."""


def _located(path: Path, node: yaml.Node, at: Location) -> Iterator[Located]:
    """Yield every node of the tree with its place; PyYAML would let a repeated key pass."""
    if not at:
        yield at, (node, node)
    if len(at) > MAX_DEPTH:
        message = f"{_place(path, node, at[:2])}: nested too deeply"
        raise BadConfigError(message, next_step="Write it flat, without references to itself.")
    keys = set[str]()
    for key, (key_node, value) in _children(node):
        if key in keys:
            message = f"{_place(path, key_node, (*at, key))}: written twice"
            raise BadConfigError(message, next_step="Keep one of them.")
        if isinstance(key, str):
            keys.add(key)
        yield (*at, key), (key_node, value)
        yield from _located(path, value, (*at, key))


def _children(node: yaml.Node) -> Iterator[tuple[str | int, tuple[yaml.Node, yaml.Node]]]:
    if isinstance(node, yaml.MappingNode):
        pairs: list[tuple[yaml.Node, yaml.Node]] = node.value
        for key, value in pairs:
            yield str(key.value), (key, value)
    elif isinstance(node, yaml.SequenceNode):
        items: list[yaml.Node] = node.value
        for index, item in enumerate(items):
            yield index, (item, item)


def _place(path: Path, node: yaml.Node, at: Location) -> str:
    field = ""
    for part in at:
        field += f"[{part}]" if isinstance(part, int) else f".{part}" if field else part
    return f"{path}, line {node.start_mark.line + 1}" + (f", {field}" if field else "")


def _error(
    path: Path,
    kind: type[BaseModel],
    nodes: dict[Location, tuple[yaml.Node, yaml.Node]],
    error: ValidationError,
) -> BadConfigError:
    """Report the first thing that does not fit, at the deepest place that the file has for it."""
    first = error.errors(include_url=False, include_context=False)[0]
    at = next(
        first["loc"][:n] for n in range(len(first["loc"]), -1, -1) if first["loc"][:n] in nodes
    )
    key, value = nodes[at]
    if first["type"] == "extra_forbidden":
        message = f"{_place(path, key, at)}: unknown field"
        return BadConfigError(message, next_step=f"Known are: {', '.join(_fields(kind, at[:-1]))}.")
    shown = f"{value.value[:60]!r} " if isinstance(value, yaml.ScalarNode) else ""
    message = f"{_place(path, value, at)}: {shown}does not fit"
    return BadConfigError(message, next_step=f"{first['msg']}.")


def _fields(kind: Any, at: Location) -> list[str]:
    """Return the fields that a place may have: a model's names, or those of a mapping's values."""
    for part in at:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            named = {field.alias or name: field for name, field in kind.model_fields.items()}
            kind = named[str(part)].annotation
        else:
            kind = get_args(kind)[-1]
    fields: dict[str, Any] = kind.model_fields
    return sorted(field.alias or name for name, field in fields.items())
