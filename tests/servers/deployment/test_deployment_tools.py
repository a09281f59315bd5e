"""The tools for deployments as their callers meet them: a host's model, an HTTP client, the person."""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from fastmcp import Client
from inline_snapshot import snapshot

from atos_protocol.errors import RefusedError
from atos_protocol.settings import load_settings
from atos_servers.deployment.deployments import Deployments
from atos_servers.deployment.journal import Journal, Journals
from atos_servers.deployment.record import Release
from atos_servers.deployment.targets.local import Local
from atos_servers.deployment.targets.target import Applied, Place, Seen
from atos_servers.host.connection import Client as ClientKind
from atos_servers.host.connection import Connection, connected
from atos_servers.host.services import Services
from atos_servers.host.suite import build_suite
from atos_servers.workflow.deployment_tools import DeploymentTools, view
from atos_servers.workflow.under_way import UnderWay

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
            "under_way": False,
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


async def test_a_name_that_is_not_utf_8_is_planned_and_shown(
    atos_home: Path, tmp_path: Path
) -> None:
    del atos_home
    site = _site(tmp_path / "shop")
    (site / os.fsdecode(b"caf\xe9.txt")).write_text("x")
    async with _client(tmp_path) as client:
        plan = await _call(client, "plan_deployment", path=str(site))
    assert plan["planned"]["files"] == ["caf\\udce9.txt", "index.html"]


async def test_only_the_person_approves_what_others_will_see(
    atos_home: Path, tmp_path: Path
) -> None:
    journals = Journals(atos_home / "deployments")
    tools = DeploymentTools(Deployments(journals, {"public": _Public()}))
    plan = await tools.deployments.plan(_site(tmp_path / "shop"), "public")
    assert plan.planned is not None
    kinds: list[ClientKind] = ["shim", "http", "python", "worker"]
    asked = (
        partial(tools.deploy, "shop", plan.planned.digest),
        partial(tools.roll_back, "shop"),
        partial(tools.start_deployment, "shop"),  # what the person has taken down
    )
    for kind, ask in product(kinds, asked):
        with (
            connected(Connection(kind, (tmp_path,))),
            pytest.raises(Exception, match="public is public: only the person can approve shop"),
        ):
            await ask()
    assert journals.known("shop").read().state == "planned"


@pytest.mark.parametrize(
    ("entry", "to"),
    [({}, ""), ({"repository": "me/shop"}, " --to me/shop"), ({"app": "a"}, " --to a")],
)
async def test_a_public_plan_tells_the_command_that_deploys_exactly_it(
    atos_home: Path, tmp_path: Path, entry: dict[str, str], to: str
) -> None:
    made = Deployments(Journals(atos_home / "deployments"), {"public": _Public()})
    found = await made.plan(_site(tmp_path / "my shop"), "public")
    assert found.planned is not None
    planned = replace(found.planned, entry=entry)
    told = view(replace(found, planned=planned), up=False, public=True).next
    command = f"atos-client deploy '{tmp_path}/my shop' public{to} --approve {planned.digest[:12]}"
    assert told == f"It is public: the user has to approve it, with {command}"


async def test_what_answers_still_after_a_failure_is_said(atos_home: Path, tmp_path: Path) -> None:
    made = Deployments(Journals(atos_home / "deployments"), {"public": _Public()})
    found = await made.plan(_site(tmp_path / "shop"), "public")
    assert found.planned is not None
    failed = replace(found, state="failed", live=found.planned, url="http://x/")
    other = replace(failed, live=replace(found.planned, digest="0" * 64))
    log = "See deployment_log('shop'). http://x/ still answers"
    assert view(failed, up=True).next == f"{log}."
    assert view(other, up=True).next == f"{log} with the release before."


class _Slow(_Public):
    """A target that takes its time, and is not public for the test's sake."""

    name, is_public = "slow", False

    def __init__(self) -> None:
        self.ready = anyio.Event()

    async def apply(self, place: Place, release: Release, *, port: int) -> Applied:
        await self.ready.wait()
        return Applied("http://127.0.0.1:9/")

    async def look(self, place: Place, release: Release, url: str, marker: str) -> Seen:
        return Seen(ok=True, evidence=("it answers",))

    async def switch(
        self, place: Place, old: Release | None, new: Release, applied: Applied
    ) -> Applied:
        return applied

    def is_up(self, place: Place, release: Release) -> bool:
        return True


async def test_a_deployment_that_takes_longer_than_a_call_is_waited_for_by_its_name(
    atos_home: Path, tmp_path: Path
) -> None:
    target, under_way = _Slow(), UnderWay(wait_seconds=0.05)
    tools = DeploymentTools(
        Deployments(Journals(atos_home / "deployments"), {"slow": target}), under_way
    )
    plan = await tools.deployments.plan(_site(tmp_path / "shop"), "slow")
    assert plan.planned is not None
    with connected(Connection("python", (tmp_path,))):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(under_way.serve)
            await anyio.lowlevel.checkpoint()
            begun = await tools.deploy("shop", plan.planned.digest)
            assert (begun.state, begun.under_way) == ("approved", True)
            assert begun.next == "It goes on: verify_deployment('shop') waits for it."
            assert (await tools.verify_deployment("shop")).under_way
            target.ready.set()
            done = await tools.verify_deployment("shop")
            assert (done.state, done.under_way, done.evidence) == (
                "verified",
                False,
                ["it answers"],
            )
            tasks.cancel_scope.cancel()


@pytest.mark.parametrize(("age", "sent"), [(3500.0, True), (3700.0, False)])
async def test_an_approval_that_comes_an_hour_after_the_plan_sends_nothing(
    atos_home: Path, tmp_path: Path, age: float, *, sent: bool
) -> None:
    now = [1000.0]

    class Timed(Journals):
        """Journals with a clock of the test's."""

        def journal(self, name: str) -> Journal:
            return Journal(self.root / name, lambda: now[0])

    target = _Slow()
    target.is_public = True
    target.ready.set()
    made = Deployments(Timed(atos_home / "deployments"), {"slow": target})
    plan = await made.plan(_site(tmp_path / "shop"), "slow")
    assert plan.planned is not None
    now[0] += age
    if sent:
        assert (await made.deploy("shop", plan.planned.digest, by="test")).state == "verified"
        return
    with pytest.raises(RefusedError, match="the plan of shop is 62 minutes old, more than 60"):
        await made.deploy("shop", plan.planned.digest, by="test")
    assert made.journals.known("shop").read().state == "planned"
