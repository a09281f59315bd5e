"""Deployments through a workflow: what is sent, under which key, and what is believed of its answer."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from atos_protocol.errors import EngineError, RefusedError, WorkspaceError
from atos_servers.deployment.deployments import Deployments
from atos_servers.deployment.journal import Journals
from atos_servers.deployment.targets import webhook
from atos_servers.deployment.targets.webhook import Webhook, address_in
from doubles.github import github

pytestmark = pytest.mark.anyio


class Workflow:
    """Records what it is sent, and has it served by a site."""

    def __init__(self, url: str) -> None:
        self.url, self.sent = url, list[tuple[str, str, dict[str, str]]]()

    async def send(self, name: str, payload: Mapping[str, Any], key: str) -> str:
        files = {path: base64.b64decode(text).decode() for path, text in payload["files"].items()}
        self.sent.append((name, key, files))
        return json.dumps({"url": self.url})


async def test_the_files_go_to_the_workflow_and_its_address_is_verified(
    atos_home: Path, tmp_path: Path
) -> None:
    site = tmp_path / "shop"
    site.mkdir()
    with github(tmp_path / "hub") as hub:
        workflow = Workflow(f"{hub.url}/sites/shop/")
        made = Deployments(Journals(atos_home / "d"), {"webhook": Webhook(workflow.send)})
        digests = list[str]()
        for page in ("first", "second"):
            (site / "index.html").write_text(page)
            hub.site = page
            plan = await made.plan(site, "webhook")
            assert plan.planned is not None
            digests.append(plan.planned.id)
            done = await made.deploy("shop", plan.planned.digest, by="test", seconds=10)
            assert (done.state, done.url) == ("verified", workflow.url)
        hub.site = "first"
        back = await made.roll_back("shop", by="test", seconds=10)
        assert (back.state, back.live and back.live.id) == ("verified", digests[0])
    assert workflow.sent == [
        ("deploy", f"shop-{digests[0]}-1", {"index.html": "first"}),
        ("deploy", f"shop-{digests[1]}-2", {"index.html": "second"}),
        ("deploy", f"shop-{digests[0]}-3", {"index.html": "first"}),
    ]


async def test_secrets_and_what_is_too_large_are_not_sent(
    atos_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workflow = Workflow("http://127.0.0.1:9/")
    made = Deployments(Journals(atos_home / "d"), {"webhook": Webhook(workflow.send)})
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("-----BEGIN RSA PRIVATE KEY-----")
    with pytest.raises(RefusedError, match=r"index\.html, line 1: a private key"):
        await made.plan(tmp_path / "site", "webhook")
    monkeypatch.setattr(webhook, "MOST_BYTES", 10)
    with pytest.raises(WorkspaceError, match="31 bytes are more than the 10"):
        await made.plan(tmp_path / "site", "webhook")
    assert workflow.sent == []


@pytest.mark.parametrize("answer", ["", "[]", "{}", '{"url": "file:///etc/passwd"}', "null", "x"])
def test_an_answer_without_an_address_is_an_error(answer: str) -> None:
    with pytest.raises(EngineError, match="answers without a url"):
        address_in(answer)
