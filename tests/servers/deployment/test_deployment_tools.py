"""The tools for deployments as their callers meet them: a host's model, an HTTP client, the person."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client
from inline_snapshot import snapshot

from atos_protocol.settings import load_settings
from atos_servers.deployment.deployments import Deployments
from atos_servers.deployment.journal import Journals
from atos_servers.deployment.targets.local import Local
from atos_servers.host.connection import Client as ClientKind
from atos_servers.host.connection import Connection, connected
from atos_servers.host.services import Services
from atos_servers.host.suite import build_suite
from atos_servers.workflow.deployment_tools import DeploymentTools

pytestmark = pytest.mark.anyio


async def _wake(message: dict[str, Any]) -> None:
    """There is no worker here."""


@asynccontextmanager
async def _client(*roots: Path, kind: ClientKind = "shim") -> AsyncGenerator[Client[Any]]:
    suite = build_suite(Services(load_settings(), _wake), ("workflow",))
    with connected(Connection(kind, roots)):
        async with Client(suite["workflow"]) as opened:
            yield opened


async def _call(client: Client[Any], tool: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments, raise_on_error=False)
    if result.is_error:
        error = (result.meta or {})["atos/error"]
        return {"code": error["code"], "message": error["message"]}
    return dict(result.structured_content or {})


def _site(folder: Path, text: str = "one") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_text(text)
    return folder


async def test_a_plan_says_what_would_go_out_and_how_to_go_on(
    atos_home: Path, tmp_path: Path
) -> None:
    del atos_home
    async with _client(tmp_path) as client:
        plan = await _call(client, "plan_deployment", path=str(_site(tmp_path / "shop")))
    planned = plan.pop("planned")
    digest = planned.pop("digest")
    assert plan.pop("source") == str(tmp_path / "shop")
    assert plan.pop("next") == f"To go on: deploy('shop', '{digest}')."
    assert planned == snapshot(
        {
            "kind": "static",
            "what": "the static site with index.html",
            "files": ["index.html"],
            "file_count": 1,
            "bytes": 3,
            "commit": "",
            "requirements": [],
            "warnings": [],
        }
    )
    assert plan == snapshot(
        {
            "name": "shop",
            "target": "local",
            "state": "planned",
            "up": False,
            "url": "",
            "live": "",
            "previous": "",
            "evidence": [],
            "reason": "",
            "public": False,
        }
    )


async def test_nothing_outside_the_directories_of_the_caller_is_deployed_seen_or_stopped(
    atos_home: Path, tmp_path: Path
) -> None:
    own, other = _site(tmp_path / "own" / "a").parent, _site(tmp_path / "other" / "b").parent
    (own / "link").symlink_to(other / "b")
    async with _client(other) as client:
        theirs = await _call(client, "plan_deployment", path=str(other / "b"))
    async with _client(own) as client:
        outside = [
            str(other / "b"),
            str(own / "link"),
            f"{own}/../other/b",
            "/etc",
            str(atos_home),
            "a",
        ]
        refused = [await _call(client, "plan_deployment", path=path) for path in outside]
        assert {each.get("code") for each in refused} == {"workspace"}
        assert await _call(client, "list_deployments") == {"deployments": []}
        digest = theirs["planned"]["digest"]
        asked: list[tuple[str, dict[str, Any]]] = [
            ("deploy", {"digest": digest}), ("verify_deployment", {}), ("roll_back", {}),
            ("stop_deployment", {}), ("start_deployment", {}), ("deployment_log", {}),
        ]  # fmt: skip
        for tool, more in asked:
            assert (await _call(client, tool, name="b", **more))["code"] == "not_found"
        taken = await _call(client, "plan_deployment", path=str(own / "a"), name="b")
        assert taken["code"] == "not_found"
    async with _client(kind="cli") as client:
        seen = (await _call(client, "list_deployments"))["deployments"]
        assert [each["name"] for each in seen] == ["b"]


async def test_a_deployment_is_made_and_ended_over_mcp(atos_home: Path, tmp_path: Path) -> None:
    del atos_home
    async with _client(tmp_path) as client:
        plan = await _call(client, "plan_deployment", path=str(_site(tmp_path / "shop")))
        wrong = await _call(client, "deploy", name="shop", digest="0" * 64)
        assert wrong["code"] == "refused"
        try:
            done = await _call(client, "deploy", name="shop", digest=plan["planned"]["digest"])
            assert (done["state"], done["up"], done["next"]) == (
                "verified",
                True,
                f"Open {done['url']}",
            )
            log = await _call(client, "deployment_log", name="shop")
            assert any("serving the static site" in line for line in log["lines"])
        finally:
            stopped = await _call(client, "stop_deployment", name="shop")
        assert (stopped["state"], stopped["up"], stopped["url"]) == ("stopped", False, "")


class _Public(Local):
    """A target that others can see, in name only: nothing of it is called."""

    name = "public"
    is_public = True


async def test_only_the_person_approves_what_others_will_see(
    atos_home: Path, tmp_path: Path
) -> None:
    journals = Journals(atos_home / "deployments")
    tools = DeploymentTools(Deployments(journals, {"public": _Public()}))
    plan = await tools.deployments.plan(_site(tmp_path / "shop"), "public")
    assert plan.planned is not None
    kinds: list[ClientKind] = ["shim", "http", "python", "worker"]
    for kind in kinds:
        with (
            connected(Connection(kind, (tmp_path,))),
            pytest.raises(Exception, match="public is public: only the person can approve shop"),
        ):
            await tools.deploy("shop", plan.planned.digest)
    assert journals.known("shop").read().state == "planned"
