"""Reads a mapping of a YAML file field by field, so that errors name file, line and field.

It works on YAML's nodes, which know their positions, rather than on plain values.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, cast

import yaml

from atos_protocol.errors import BadConfigError


def nodes_of(text: str) -> yaml.Node | None:
    """Parse text to its node tree; tags never become objects.

    Raises:
        yaml.YAMLError: it is not YAML.
        RecursionError: it is nested too deeply.
    """
    compose = cast("Callable[..., yaml.Node | None]", yaml.compose)  # pyright: ignore[reportUnknownMemberType]
    return compose(text, Loader=yaml.SafeLoader)


class Fields:
    """One mapping of the file; a field that nobody has taken is an error."""

    def __init__(self, path: Path, node: yaml.Node, title: str) -> None:
        self.path = path
        self.title = title
        self.node = node
        self._left: dict[str, yaml.Node] = {}
        if not isinstance(node, yaml.MappingNode):
            self.fail(node, "", "must be a mapping of fields", "Write lines of `field: value`.")
        for key, value in node.value:
            name = str(key.value)
            if name in self._left:
                self.fail(key, name, "is given twice", "Keep one of them.")
            self._left[name] = value

    def where(self, node: yaml.Node, field: str) -> str:
        """Return file, line and field, as errors name them."""
        names = ".".join(part for part in (self.title, field) if part)
        return f"{self.path}, line {node.start_mark.line + 1}, {names or 'file'}"

    def fail(self, node: yaml.Node, field: str, what: str, step: str) -> NoReturn:
        """Raise the error about a field of this mapping.

        Raises:
            BadConfigError: always.
        """
        message = f"{self.where(node, field)}: {what}"
        raise BadConfigError(message, next_step=step)

    def node_of(self, field: str) -> yaml.Node | None:
        """Take a field, whatever its value."""
        return self._left.pop(field, None)

    def text(
        self, field: str, fits: Callable[[str], bool], expects: str, default: str | None = None
    ) -> str:
        """Take a field with a scalar value.

        Args:
            field: its name.
            fits: whether a value is allowed.
            expects: what is allowed, in words: "It must be ...".
            default: what a missing field means; None makes it mandatory.

        Raises:
            BadConfigError: it is missing, or its value does not fit.
        """
        node = self.node_of(field)
        if node is None and default is not None:
            return default
        if node is None:
            self.fail(self.node, field, "is missing", f"It must be {expects}.")
        value = node.value if isinstance(node, yaml.ScalarNode) else None
        if value is None or not fits(value):
            self.fail(node, field, "does not fit", f"It must be {expects}.")
        return value

    def done(self, allowed: str) -> None:
        """Refuse the fields that nobody has taken: a misspelt one must not be ignored.

        Raises:
            BadConfigError: a field is left over.
        """
        for field, node in self._left.items():
            self.fail(node, field, "is not a known field", f"Fields: {allowed}.")
