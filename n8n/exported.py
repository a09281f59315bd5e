"""The exported workflows and the credentials that they name, as the checks bring them into a real n8n.

Standard library only.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import variants
from host import Host

from toolchain import PACKAGE

if TYPE_CHECKING:
    from real_atos import Atos

OTHERS = (
    "agent-with-mcp-tool.json",
    "agent-with-node-tool.json",
    "deploy-and-verify.json",
    "error-workflow.json",
    "files-to-disk-and-upload.json",
    "goal-approve-deploy.json",
    "goal-by-callback.json",
    "goal-ended.json",
    "models-share-the-gpu.json",
    "notification.json",
    "task-router.json",
)
"""Workflows that are not called with a task or a goal alone."""
GATEWAY_ID = "atosOpenAi000002"
EXPORTED_URL = "http://127.0.0.1:8756"


@dataclass(frozen=True, slots=True)
class Exported:
    """A workflow file as it is imported: the addresses filled in."""

    id: str
    path: str
    text: str

    @property
    def field(self) -> str:
        """Return the name of the request's field that holds the goal."""
        return "task" if "atosAgentRouter" in self.text else "goal"


def exported_workflows(url: str) -> list[Exported]:
    """Return the workflows of the package, and the router's twice more, with other settings."""
    found: list[Exported] = []
    for file in sorted((PACKAGE / "workflows").glob("*.json")):
        workflow = json.loads(file.read_text(encoding="utf-8").replace(EXPORTED_URL, url))
        if file.name in OTHERS:
            continue
        found.append(_exported(workflow))
        if file.name == "route-and-aggregate.json":
            found.append(_exported(variants.with_three_outputs(workflow)))
            found.append(_exported(variants.that_classifies(workflow)))
    return found


def other_workflows(url: str) -> dict[str, Exported]:
    """Return the workflows that are called otherwise, by their files' names."""
    folder = PACKAGE / "workflows"
    read = {name: (folder / name).read_text(encoding="utf-8") for name in OTHERS}
    return {name: _exported(json.loads(_addressed(name, text, url))) for name, text in read.items()}


def trouble_workflows(url: str) -> list[Exported]:
    """Return the workflows that only real_trouble.py calls."""
    texts = [
        (PACKAGE / "workflows" / name).read_text(encoding="utf-8").replace(EXPORTED_URL, url)
        for name in ("goal-with-files.json", "goal-ended.json")
    ]
    return [_exported(each) for each in variants.for_trouble(*map(json.loads, texts))]


def _addressed(name: str, text: str, url: str) -> str:
    """Return a workflow for this check: the agents' model is scripted, that of the gateway is not."""
    text = text.replace(EXPORTED_URL, url)
    return text.replace("atosOpenAi000001", GATEWAY_ID) if name.startswith("models-") else text


def _exported(workflow: dict[str, Any]) -> Exported:
    path = next((n["webhookId"] for n in workflow["nodes"] if "webhookId" in n), "")
    return Exported(workflow["id"], path, json.dumps(workflow))


@dataclass(frozen=True, slots=True)
class Addresses:
    """What the credentials point at, beside ATOS itself."""

    webhook_key: str
    model: str
    """The chat model's API."""
    gateway: str
    """n8n's own port of ATOS's gateway."""
    cut: str
    """A way to ATOS that fails twice."""


def credentials(atos: Atos, at: Addresses) -> list[dict[str, Any]]:
    """Return the credentials that the workflows name, in the form that n8n imports."""
    token, api = atos.token(), "atosApi"
    wrong, key = "w" * 43, {"name": "x-atos-webhook-key", "value": at.webhook_key}
    rows: list[tuple[str, str, str, dict[str, str]]] = [
        ("atosApi000000001", "ATOS local", api, {"baseUrl": atos.url, "token": token}),
        (variants.WRONG_ID, "ATOS, wrong token", api, {"baseUrl": atos.url, "token": wrong}),
        (variants.CUT_ID, "ATOS, cut off", api, {"baseUrl": at.cut, "token": token}),
        ("atosMcpBearer001", "ATOS token", "httpBearerAuth", {"token": token}),
        ("atosOpenAi000001", "ATOS models", "openAiApi", {"apiKey": "none", "url": at.model}),
        (GATEWAY_ID, "Gateway", "openAiApi", {"apiKey": "atos", "url": f"{at.gateway}/v1"}),
        ("atosOllama000001", "ATOS models (Ollama)", "ollamaApi", {"baseUrl": at.gateway}),
        ("atosWebhook00001", "ATOS webhook key", "httpHeaderAuth", key),
    ]
    return [{"id": i, "name": n, "type": t, "data": d} for i, n, t, d in rows]


def bring_in(host: Host, atos: Atos, at: Addresses) -> None:
    """Import credentials and workflows.

    Raises:
        StepFailedError: n8n refused a file.
    """
    folder = host.folder / "import"
    folder.mkdir()
    others = [*other_workflows(atos.url).values(), *trouble_workflows(atos.url)]
    for workflow in [*exported_workflows(atos.url), *others]:
        (folder / f"{workflow.id}.json").write_text(workflow.text, encoding="utf-8")
    secret = host.folder / "credentials.json"
    secret.touch(mode=0o600)
    secret.write_text(json.dumps(credentials(atos, at)), encoding="utf-8")
    host.command("credentials into n8n", "import:credentials", f"--input={secret}")
    host.command("workflows into n8n", "import:workflow", "--separate", f"--input={folder}")
