"""Sandboxes at a chosen level, and a zygote that is ready: what tests of the sandbox start with."""

import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from atos_servers.code_runner.interpreter import this_interpreter
from atos_servers.code_runner.runner import Runner
from atos_servers.code_runner.sandbox import landlock
from atos_servers.code_runner.sandbox_probe import SandboxProbe, why_not_isolated
from atos_servers.code_runner.warm_start import WarmStart

_why_missing: dict[str, str] = {}


async def sandbox_at(level: Any) -> SandboxProbe:
    """Return a sandbox that ends at this level; skip the test when the machine lacks it."""
    sandbox = SandboxProbe(level, {}, landlock.version(), shutil.which("bwrap") or "")
    if level not in _why_missing:
        here = bool(sandbox.bwrap) if level == "bwrap" else bool(sandbox.landlock)
        _why_missing[level] = (
            await why_not_isolated(level, sandbox) if here else "not on this machine"
        )
    if why := _why_missing[level]:
        pytest.skip(f"the {level} level does not hold here: {why}")
    return sandbox


@asynccontextmanager
async def ready_zygote() -> AsyncGenerator[WarmStart]:
    """A zygote that is ready to fork."""
    warm = WarmStart(this_interpreter())
    warm.prepare()
    with anyio.fail_after(20):
        while not warm.is_ready:  # noqa: ASYNC110 - its message is for the runner to read
            await anyio.sleep(0.01)
    try:
        yield warm
    finally:
        await warm.close()


@asynccontextmanager
async def runner_at(how: str) -> AsyncGenerator[Runner]:
    """Make a runner on a level, `landlock`, whose launchers are started; `landlock-warm`: forked by a zygote."""
    level, _, start = how.partition("-")
    sandbox = await sandbox_at(level)
    if not start:
        yield Runner(sandbox)
        return
    async with ready_zygote() as warm:
        yield Runner(sandbox, warm=warm)
