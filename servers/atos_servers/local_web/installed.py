"""The packages of a release, installed for the sandbox by code_runner's environments: wheels only, cached."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from atos_servers.code_runner.packages.environments import Environments

Packages = Callable[[], Awaitable[tuple[str, ...]]]


async def nothing() -> tuple[str, ...]:
    """Return that no packages are needed."""
    return ()


def installed(environments: Environments, requirements: tuple[str, ...]) -> Packages:
    """Return what waits until the requirements are installed and returns their folders.

    It raises `PackagesError` where they can't be, and tries again when asked again.
    """

    async def folders() -> tuple[str, ...]:
        while (found := await environments.prepare(requirements)) is None:
            pass  # each call of it waits, so this is no busy loop
        return (str(found.site),)

    return folders
