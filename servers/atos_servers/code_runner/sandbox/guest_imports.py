"""What code in the sandbox can import: third-party packages, and nothing of the installed ATOS."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

from atos_servers.code_runner.sandbox.job import Job

OURS = frozenset(
    {"atos", "atos_daemon", "atos_orchestrator", "atos_protocol", "atos_scheduler", "atos_servers"}
)
"""Import names that ATOS installs."""


def add_packages(job: Job) -> None:
    """Make third-party packages importable, as in the environment that the server runs in."""
    sys.path[:] = [*sys.path, *job.site]
    if job.prefix:
        sys.prefix = sys.exec_prefix = job.prefix


def hide_atos(job: Job) -> None:
    """Hide the installed ATOS; a workspace may have modules of the same names."""
    for name in [n for n in sys.modules if n.partition(".")[0] in OURS]:
        del sys.modules[name]
    sys.meta_path.insert(0, _WorkspaceOnly(job.site))


class _WorkspaceOnly(MetaPathFinder):
    """Finds modules of our names in the workspace, and never among the installed packages."""

    def __init__(self, installed: Sequence[str]) -> None:
        self._installed = frozenset(installed)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Answer for our names alone; ModuleNotFoundError keeps other finders from answering."""
        if fullname not in OURS:
            return None
        places = [entry for entry in sys.path if entry not in self._installed]
        if (found := PathFinder.find_spec(fullname, places, target)) is None:
            message = f"No module named {fullname!r}"
            raise ModuleNotFoundError(message, name=fullname)
        return found
