"""Strict reading of a YAML settings file: every complaint names file, line and field.

PyYAML's node tree keeps the lines that its plain objects lose, so values are taken from nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, cast

import yaml

from atos_protocol.errors import BadConfigError
from atos_protocol.settings import SIZE_UNITS


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a settings file, which knows where it stands."""

    path: Path
    field: str
    node: yaml.Node

    def refuse(self, expected: str) -> NoReturn:
        """Say what this value should have been.

        Raises:
            BadConfigError: always.
        """
        shown = f"{self.node.value[:60]!r} " if isinstance(self.node, yaml.ScalarNode) else ""
        self.complain(f"{shown}does not fit", f"It must be {expected}.")

    def complain(self, what: str, step: str) -> NoReturn:
        """Say what is wrong here, with file, line and field.

        Raises:
            BadConfigError: always.
        """
        field = f", {self.field}" if self.field else ""
        message = f"{self.path}, line {self.node.start_mark.line + 1}{field}: {what}"
        raise BadConfigError(message, next_step=step)

    @property
    def is_scalar(self) -> bool:
        """Whether this is a single value, and no list or mapping."""
        return isinstance(self.node, yaml.ScalarNode)

    def scalar(self) -> Any:
        """Return a plain value: text, a number, a flag or None."""
        if not isinstance(self.node, yaml.ScalarNode):
            self.refuse("a single value")
        try:
            return yaml.safe_load(yaml.serialize(self.node))  # pyright: ignore[reportUnknownMemberType]
        except (ValueError, yaml.YAMLError):
            self.refuse("a single value")

    def text(self) -> str:
        """Return non-empty text; a bare number counts as text too, as model names may look so."""
        if not isinstance(self.node, yaml.ScalarNode) or not str(self.node.value):
            self.refuse("text")
        return str(self.node.value)

    def whole(self, low: int, high: int) -> int:
        """Return a whole number within bounds."""
        found = self.scalar()
        if not isinstance(found, int) or isinstance(found, bool) or not low <= found <= high:
            self.refuse(f"a whole number from {low} to {high}")
        return found

    def number(self, low: float, high: float) -> float:
        """Return a number within bounds."""
        found = self.scalar()
        if (
            not isinstance(found, int | float)
            or isinstance(found, bool)
            or not low <= found <= high
        ):
            self.refuse(f"a number from {low} to {high}")
        return found

    def flag(self) -> bool:
        """Return true or false."""
        found = self.scalar()
        if not isinstance(found, bool):
            self.refuse("true or false")
        return found

    def size(self) -> int:
        """Return bytes, written as a number or as text such as `1840MiB`."""
        text = self.text().upper()
        unit = next((u for u in SIZE_UNITS if text.endswith(u)), "")
        try:
            size = int(float(text.removesuffix(unit)) * SIZE_UNITS.get(unit, 1))
        except (ValueError, OverflowError):
            self.refuse("bytes, or a size such as 1840MiB")
        if size < 0:
            self.refuse("bytes, 0 or more")
        return size

    def choice(self, options: Sequence[str]) -> str:
        """Return one of the given words."""
        found = self.text()
        if found not in options:
            self.refuse(f"one of {', '.join(options)}")
        return found

    def texts(self) -> tuple[str, ...]:
        """Return a list of distinct texts."""
        if not isinstance(self.node, yaml.SequenceNode):
            self.refuse("a list of names")
        items: list[yaml.Node] = self.node.value
        found = [Value(self.path, f"{self.field}[{i}]", n).text() for i, n in enumerate(items)]
        if len(set(found)) < len(found):
            self.refuse("a list without repetitions")
        return tuple(found)

    def pairs(self) -> Iterator[tuple[str, Value, Value]]:
        """Yield name, key and value of every entry of a mapping."""
        if not isinstance(self.node, yaml.MappingNode):
            self.refuse("a mapping of names to values")
        pairs: list[tuple[yaml.Node, yaml.Node]] = self.node.value
        seen = set[str]()
        for key, node in pairs:
            name = Value(self.path, self.field, key).text()
            field = f"{self.field}.{name}".strip(".")
            if name in seen:
                Value(self.path, field, key).complain("written twice", "Keep one of them.")
            seen.add(name)
            yield name, Value(self.path, field, key), Value(self.path, field, node)

    def entries(self) -> Iterator[tuple[str, Value]]:
        """Yield name and value of every entry of a mapping."""
        return ((name, value) for name, _, value in self.pairs())

    def fields(self, parsers: dict[str, Callable[[Value], Any]]) -> dict[str, Any]:
        """Return the fields that are written here; an unknown one is an error."""
        found: dict[str, Any] = {}
        for name, key, value in self.pairs():
            if name not in parsers:
                key.complain("unknown field", f"Known are: {', '.join(sorted(parsers))}.")
            found[name] = parsers[name](value)
        return found


def read(path: Path) -> Value | None:
    """Parse a settings file; None if there is none, or nothing in it.

    Raises:
        BadConfigError: it can't be read or is no YAML; the message says where.
    """
    try:
        text = path.read_text(encoding="utf-8")
        composed = cast("object", yaml.compose(text, Loader=yaml.SafeLoader))  # pyright: ignore[reportUnknownMemberType]
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path} can't be read: {error}"
        raise BadConfigError(message, next_step="Mend or remove the file.") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        message = f"{path}, line {line}: {error.problem or 'this is no YAML'}"
        raise BadConfigError(message, next_step="Mend the line, or remove the file.") from error
    except yaml.YAMLError as error:
        message = f"{path} is no YAML: {error}"
        raise BadConfigError(message, next_step="Mend or remove the file.") from error
    return Value(path, "", composed) if isinstance(composed, yaml.Node) else None
