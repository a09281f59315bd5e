"""How the servers describe their tools: annotations, and arguments for which null means the default."""

from __future__ import annotations

from mcp.types import ToolAnnotations
from pydantic import BeforeValidator


def read_only(title: str) -> ToolAnnotations:
    """Return the annotations of a tool that changes nothing."""
    return ToolAnnotations(
        title=title,
        read_only_hint=True,
        destructive_hint=False,
        idempotent_hint=True,
        open_world_hint=False,
    )


def changing(
    title: str, *, destructive: bool = False, idempotent: bool = True, open_world: bool = False
) -> ToolAnnotations:
    """Return the annotations of a tool that changes something.

    Args:
        title: its name for people.
        destructive: whether it may remove or replace what was there.
        idempotent: whether a second call with the same arguments changes nothing more.
        open_world: whether it reaches anything outside this machine.
    """
    return ToolAnnotations(
        title=title,
        read_only_hint=False,
        destructive_hint=destructive,
        idempotent_hint=idempotent,
        open_world_hint=open_world,
    )


def null_means(default: object) -> BeforeValidator:
    """Replace null by a default: some clients send every argument they know of."""
    return BeforeValidator(lambda value: default if value is None else value)
