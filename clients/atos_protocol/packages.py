"""What code_runner reports about packages that sandboxed code may import.

The server returns these types, the orchestrator writes requirements from them. Plain dataclasses, for
the same reasons as in `goals`; an attribute's docstring is its schema's description.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from atos_protocol.goals import DESCRIBED

PackagesState = Literal["ready", "preparing"]


@dataclass(frozen=True, slots=True)
class InstalledPackage:
    """One distribution of an environment."""

    __pydantic_config__: ClassVar[dict[str, Any]] = DESCRIBED

    name: str
    """Normalised name: `python-dateutil`."""
    version: str
    sha256: str
    """Of its wheel; empty where the installer did not say."""
    requested: bool
    """False for what only another package needs."""


@dataclass(frozen=True, slots=True)
class PackagesReport:
    """How far an environment is."""

    __pydantic_config__: ClassVar[dict[str, Any]] = DESCRIBED

    state: PackagesState
    """ready: run_pytest and run_python take these packages now. preparing: call again."""
    packages: tuple[InstalledPackage, ...]
    """What is installed, by name; empty while it is being prepared."""
    modules: tuple[str, ...]
    """Top-level modules that these packages provide."""
    next: str
    """What to do now."""


@dataclass(frozen=True, slots=True)
class EnvironmentReport:
    """The environment of what a project declares."""

    __pydantic_config__: ClassVar[dict[str, Any]] = DESCRIBED

    state: PackagesState
    """ready: it can be used now. preparing: call again."""
    source: str
    """The file that declares the requirements; empty where there is none."""
    requirements: tuple[str, ...]
    """What run_pytest, run_python and evaluate take as `packages` to use it."""
    packages: tuple[InstalledPackage, ...]
    """What is installed, by name."""
    modules: tuple[str, ...]
    """Top-level modules that can be imported."""
    next: str
    """What to do now."""
