"""The tools as a client sees them: prepare, then run with the same packages."""

from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client
from fastmcp.exceptions import ToolError
from inline_snapshot import snapshot

from atos_protocol.settings import load_settings
from atos_servers.code_runner.server import build
from atos_servers.host.connection import Connection, connected
from atos_servers.host.services import Services
from doubles.package_index import PackageIndex, Wheel

pytestmark = pytest.mark.timeout(120)


async def tell_nobody(message: dict[str, Any]) -> None:
    raise AssertionError(message)


async def test_packages_are_prepared_by_one_tool_and_used_by_others(
    index: PackageIndex, workspace: Path, atos_home: Path
) -> None:
    index.add(Wheel("inner", {"inner.py": "VALUE = 7\n"}))
    services = Services(load_settings(), tell_nobody)
    run = {
        "path": str(workspace),
        "code": "import inner; print(inner.VALUE)",
        "packages": ["Inner"],
    }
    with connected(Connection(roots=(workspace,))):
        async with Client(build(services)) as client:
            with pytest.raises(ToolError, match="inner: not installed for the sandbox yet"):
                await client.call_tool("run_python", run)
            prepared = await client.call_tool("prepare_packages", {"packages": ["inner"]})
            ran = await client.call_tool("run_python", run)
    report = prepared.structured_content or {}
    assert len(report["packages"][0].pop("sha256")) == 64
    assert report == snapshot(
        {
            "state": "ready",
            "packages": [{"name": "inner", "version": "1.0", "requested": True}],
            "modules": ["inner"],
            "next": "Give `packages` to run_pytest or run_python.",
        }
    )
    assert (ran.structured_content or {})["stdout"] == "7\n"
    assert not any([await busy() for busy in services.busy_checks])
    assert (atos_home / "environments").is_dir()
