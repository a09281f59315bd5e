"""`make test-n8n REAL=1`: a real n8n runs the exported workflows against the real ATOS servers.

Every workflow gets a goal that the demonstration model can do, one that it refuses, an empty one,
and one while ATOS is down; each must answer with its own status. Standard library only.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import real_agents
import real_parts
import real_trouble
import variants
from host import Host, free_port, install_host, prepare_host, remove, request
from scripted_model import ScriptedModel, scripted_model

from toolchain import PACKAGE, ROOT, Node, StepFailedError, run

GOAL = "Write a Python function to add two numbers"
FAR_AWAY = "Build a price-tracking SaaS"
GOAL_SECONDS = 330.0
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
"""Workflows that real_agents.py and real_parts.py call."""
START_SECONDS = 300.0
"""Longest start of ATOS: a busy machine needs a minute."""
PARTS = ("editor", "agents", "slow", *real_parts.CHECKS, *real_trouble.CHECKS, "answers")
"""What can be checked by itself."""
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


class Atos:
    """The real servers with a home of their own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.url = f"http://127.0.0.1:{free_port()}"
        port = self.url.rpartition(":")[2]
        mine = {"HOME": str(home), "ATOS_HOME": str(home / "a"), "ATOS_HTTP_PORT": port}
        self.environ = {**os.environ, **mine, "ATOS_OLLAMA_URL": ""}

    def client(self, *arguments: str) -> None:
        """Run `atos-client`.

        Raises:
            StepFailedError: it failed.
        """
        line = [ROOT / ".venv" / "bin" / "atos-client", *arguments]
        run(
            f"atos-client {' '.join(arguments)}", line, environ=self.environ, deadline=START_SECONDS
        )

    def token(self) -> str:
        """Return the bearer token of the running servers."""
        return (self.home / "a" / "run" / "token").read_text(encoding="utf-8").strip()


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


def credentials(
    atos: Atos, webhook_key: str, model_url: str, gateway: str = ""
) -> list[dict[str, Any]]:
    """Return the credentials that the workflows name, in the form that n8n imports."""
    token = atos.token()
    rows = [
        ("atosApi000000001", "ATOS local", "atosApi", {"baseUrl": atos.url, "token": token}),
        (
            variants.WRONG_ID,
            "ATOS, wrong token",
            "atosApi",
            {"baseUrl": atos.url, "token": "w" * 43},
        ),
        ("atosMcpBearer001", "ATOS token", "httpBearerAuth", {"token": token}),
        ("atosOpenAi000001", "ATOS models", "openAiApi", {"apiKey": "none", "url": model_url}),
        (GATEWAY_ID, "Gateway", "openAiApi", {"apiKey": "atos", "url": f"{gateway}/v1"}),
        ("atosOllama000001", "ATOS models (Ollama)", "ollamaApi", {"baseUrl": gateway}),
        (
            "atosWebhook00001",
            "ATOS webhook key",
            "httpHeaderAuth",
            {"name": "x-atos-webhook-key", "value": webhook_key},
        ),
    ]
    return [{"id": i, "name": n, "type": t, "data": d} for i, n, t, d in rows]


def bring_in(
    host: Host, atos: Atos, workflows: list[Exported], webhook_key: str, model_url: str
) -> None:
    """Import credentials and workflows.

    Raises:
        StepFailedError: n8n refused a file.
    """
    folder = host.folder / "import"
    folder.mkdir()
    for workflow in workflows:
        (folder / f"{workflow.id}.json").write_text(workflow.text, encoding="utf-8")
    gateway = real_parts.gateway_url(atos)
    secret = host.folder / "credentials.json"
    secret.touch(mode=0o600)
    secret.write_text(
        json.dumps(credentials(atos, webhook_key, model_url, gateway)), encoding="utf-8"
    )
    host.command("credentials into n8n", "import:credentials", f"--input={secret}")
    host.command("workflows into n8n", "import:workflow", "--separate", f"--input={folder}")


def goal_of(answer: dict[str, Any]) -> dict[str, Any]:
    """Return the goal in the answer of either kind of workflow."""
    items: list[dict[str, Any]] = answer.get("items") or [{}]
    goal: dict[str, Any] = answer.get("goal") or items[0]
    return goal


def expect(host: Host, workflow: Exported, key: str, goal: str, status: int) -> dict[str, Any]:
    """Call a webhook, print the answer, and return it.

    Raises:
        StepFailedError: another status, or no JSON object.
    """
    url, headers = f"{host.url}/webhook/{workflow.path}", {"x-atos-webhook-key": key}
    got, text, _ = request(url, {workflow.field: goal}, headers, GOAL_SECONDS)
    print(f"  {workflow.path} <- {goal!r}\n    HTTP {got} {text[:1500]}")
    if got != status:
        message = f"{workflow.path}: HTTP {got} instead of {status}"
        raise StepFailedError(message)
    return json.loads(text)


def check_success(workflow: Exported, answer: dict[str, Any]) -> None:
    """Check that a goal of the demonstration model succeeded, or was classified where asked.

    Raises:
        StepFailedError: it did not, or another model did the work.
    """
    if "plan" in answer:
        goal, right = answer, answer.get("complexity") == "simple"
    else:
        goal = goal_of(answer)
        right = goal.get("state") == "success" and "atos-mini" in goal.get("models", [])
    if not right:
        message = f"{workflow.path}: no success of atos-mini: {goal}"
        raise StepFailedError(message)


@contextmanager
def running_atos(home: Path) -> Generator[Atos]:
    """Run the ATOS servers for the time of the block.

    Raises:
        StepFailedError: they did not start, or let in a request without the token.
    """
    atos = Atos(home)
    try:
        atos.client("up")
        headers = {"authorization": f"Bearer {atos.token()}"}
        answers = [request(f"{atos.url}/healthz", headers=h)[0] for h in (headers, {})]
        if answers[0] != 200 or answers[1] != 401:
            message = f"/healthz answered {answers} with and without the token"
            raise StepFailedError(message)
        yield atos
    finally:
        with suppress(StepFailedError):
            atos.client("down")


def _call_all(host: Host, atos: Atos, workflows: list[Exported], key: str) -> None:
    for workflow in workflows:
        host.activate(workflow.id, workflow.path)
    for workflow in workflows:
        check_success(workflow, expect(host, workflow, key, GOAL, 200))
        expect(host, workflow, key, FAR_AWAY, 422)
        expect(host, workflow, key, "", 400)
    print("with ATOS down:")
    atos.client("down")
    for workflow in workflows:
        expect(host, workflow, key, GOAL, 502)


def _call_others(host: Host, atos: Atos, model: ScriptedModel, key: str) -> None:
    others = other_workflows(atos.url)
    for name in ("agent-with-mcp-tool.json", "agent-with-node-tool.json"):
        host.activate(others[name].id, others[name].path)
    host.publish(others["goal-ended.json"].id)
    for name in ("agent-with-mcp-tool.json", "agent-with-node-tool.json"):
        real_agents.check_agent(host, others[name], model, key, GOAL)
    real_agents.check_callback(host, atos, others["goal-ended.json"])


def _check_parts(host: Host, atos: Atos, model: ScriptedModel, key: str, parts: set[str]) -> None:
    """Check every part, also where one before it failed.

    Raises:
        StepFailedError: names those that failed, with their reasons.
    """
    others = other_workflows(atos.url)

    def called(files: tuple[str, ...], run_check: Callable[[Host, Atos, str], None]) -> None:
        for file in files:
            host.activate(others[file].id, others[file].path)
        run_check(host, atos, key)

    by_path = {
        each.path: each
        for each in (*exported_workflows(atos.url), *others.values(), *trouble_workflows(atos.url))
    }

    def called_by_path(
        paths: tuple[str, ...], run_check: Callable[[Host, Atos, str], None]
    ) -> None:
        for path in paths:
            host.activate(by_path[path].id, path)
        run_check(host, atos, key)

    agent = others["agent-with-mcp-tool.json"]
    checks: dict[str, Callable[[], None]] = {
        # First: n8n puts a checklist over what was published.
        "editor": partial(_editor, host),
        "agents": partial(_call_others, host, atos, model, key),
        "slow": partial(real_agents.check_slow_agent, host, atos, agent, model, key, GOAL),
        **{name: partial(called, *each) for name, each in real_parts.CHECKS.items()},
        **{name: partial(called_by_path, *each) for name, each in real_trouble.CHECKS.items()},
    }
    failed: list[str] = []
    for name, run_check in checks.items():
        if name not in parts:
            continue
        print(f"{name}:", flush=True)
        try:
            run_check()
        except (
            StepFailedError,
            OSError,
            ValueError,
            KeyError,
            subprocess.SubprocessError,
        ) as error:
            print(f"  {name} FAILED: {error!r}", flush=True)
            failed.append(f"{name}: {error}")
    if failed:
        raise StepFailedError("\n".join(failed))


def _editor(host: Host) -> None:
    import editor  # needs a browser and its driver, which the rest does not

    editor.check(host)


def check(node: Node, parts: set[str]) -> None:
    """Run everything; leave nothing behind but the installation and n8n's log.

    Args:
        node: the Node that runs n8n.
        parts: some of `PARTS`.

    Raises:
        StepFailedError: a step failed, or a workflow answered otherwise than promised.
    """
    install_host(node)
    home = Path(tempfile.mkdtemp(prefix="atos"))
    user = Path(tempfile.mkdtemp(prefix="n8n"))
    key = secrets.token_urlsafe(16)
    try:
        with running_atos(home) as atos, scripted_model() as model:
            host = prepare_host(node, user)
            workflows = exported_workflows(atos.url)
            others = [*other_workflows(atos.url).values(), *trouble_workflows(atos.url)]
            everything = [*workflows, *others]
            bring_in(host, atos, everything, key, model.url)
            try:
                host.hidden = home
                host.start()
                _check_parts(host, atos, model, key, parts)
                if "answers" in parts:
                    _call_all(host, atos, workflows, key)
            finally:
                host.stop()
    finally:
        remove(user)
        remove(home)
