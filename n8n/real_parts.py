"""What a person does with n8n and ATOS together, in a real n8n: a router, files, an approval, shared models.

Everything is real but the upload's receiver. Standard library only.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from host import Host, request

from toolchain import ROOT, StepFailedError, run

if TYPE_CHECKING:
    from real_atos import Atos

TOOLKIT = "build a text toolkit: count words, reverse a string, count vowels"
SECONDS = 330.0
EXPIRES_S = 4
"""Seconds that an approval waits which nobody gives."""
PROTOCOL = "2026-07-28"


def call(host: Host, key: str, path: str, body: Any, more: dict[str, str] | None = None) -> Any:
    """Post to a webhook; return status and JSON."""
    headers = {"x-atos-webhook-key": key, **(more or {})}
    status, text, _ = request(f"{host.url}/webhook/{path}", body, headers, SECONDS)
    print(f"  {path} <- {json.dumps(body)[:120]}\n    HTTP {status} {text[:600]}", flush=True)
    try:
        return status, json.loads(text)
    except ValueError:
        return status, {}


def tool(atos: Atos, server: str, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Call one of ATOS's tools over HTTP, as the nodes do."""
    meta = "io.modelcontextprotocol/"
    params = {
        "name": name,
        "arguments": arguments,
        "_meta": {
            f"{meta}protocolVersion": PROTOCOL,
            f"{meta}clientInfo": {"name": "check", "version": "1"},
            f"{meta}clientCapabilities": {},
        },
    }
    headers = {
        "authorization": f"Bearer {atos.token()}",
        "accept": "application/json",
        "MCP-Protocol-Version": PROTOCOL,
        "Mcp-Method": "tools/call",
        "Mcp-Name": name,
    }
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    _, text, _ = request(f"{atos.url}/{server}/mcp", body, headers, 60)
    return json.loads(text)["result"].get("structuredContent", {})


def expect(right: object, what: str) -> None:
    """Go on where it is so.

    Raises:
        StepFailedError: it is not.
    """
    print(f"  {'ok  ' if right else 'NOT '}{what}", flush=True)
    if not right:
        raise StepFailedError(what)


def _build(atos: Atos, into: str, *more: str) -> subprocess.Popen[str]:
    line = [
        ROOT / ".venv" / "bin" / "atos-client",
        "build",
        TOOLKIT,
        "--json",
        "--into",
        atos.home / into,
    ]
    return subprocess.Popen(
        [*map(str, line), *more], env=atos.environ, stdout=subprocess.PIPE, text=True
    )


def _tree(atos: Atos, folder: str) -> str:
    line = ["git", "-C", str(atos.home / folder), "ls-tree", "-r", "HEAD"]
    return subprocess.run(line, capture_output=True, text=True, check=True).stdout


def _routes(lines: list[str]) -> list[tuple[str, str]]:
    events: list[dict[str, Any]] = [json.loads(line) for line in lines if line.startswith("{")]
    routed = [event for event in events if event.get("kind") == "task_routed"]
    return [(str(event["task"]), str(event["data"]["by"])) for event in routed]


def check_router(host: Host, atos: Atos, key: str) -> None:
    """A toolkit goal through n8n's router gives the tree of the built-in route; n8n killed in the middle: still.

    Raises:
        StepFailedError: it does not.
    """
    home = atos.home / "a"
    (home / "n8n.key").write_text(key, encoding="utf-8")
    (home / "n8n.key").chmod(0o600)
    told = (
        f"workflows:\n  - name: router\n    url: {host.url}/webhook/atos-route\n"
        "    secret: {header: x-atos-webhook-key, file: n8n.key}\n"
    )
    (home / "workflows.yaml").write_text(told, encoding="utf-8")
    lines: dict[str, list[str]] = {}
    for name, more in (("builtin", ()), ("routed", ("--router", "n8n"))):
        done = _build(atos, name, *more)
        lines[name] = done.communicate(timeout=SECONDS)[0].splitlines()
        expect(done.returncode == 0, f"{name}: the goal succeeded")
    routed = _routes(lines["routed"])
    expect(
        routed and {by for _, by in routed} == {"n8n"}, f"every task was routed by n8n: {routed}"
    )
    expect(_tree(atos, "builtin") == _tree(atos, "routed"), "the same tree as the built-in route")
    killed = _build(atos, "killed", "--router", "n8n")
    seen: list[str] = []
    assert killed.stdout is not None
    for line in killed.stdout:
        seen.append(line)
        if '"task_routed"' in line and host.process is not None and host.process.poll() is None:
            host.kill()
    expect(killed.wait(SECONDS) == 0, "n8n killed in the middle: the goal succeeded")
    by = _routes(seen)
    expect({by for _, by in by} == {"n8n", "builtin"}, f"and its events say who routed: {by}")
    expect(_tree(atos, "builtin") == _tree(atos, "killed"), "the same tree as the built-in route")
    host.start()


def check_models(host: Host, atos: Atos, key: str) -> None:
    """Two executions that use n8n's Ollama and OpenAI nodes, and one goal, at the same time on one scheduler.

    Raises:
        StepFailedError: one of the three failed.
    """
    asked = {"prompt": "Write a Python function to reverse a list", "model": "atos-mini"}
    with ThreadPoolExecutor(3) as pool:
        goal = pool.submit(lambda: _build(atos, "beside").wait(SECONDS))
        calls = [pool.submit(call, host, key, "atos-models", asked) for _ in range(2)]
        answers = [each.result() for each in calls]
        expect(goal.result() == 0, "the goal beside them succeeded")
    for status, body in answers:
        texts = [str(body.get(api, "")) for api in ("ollama", "openai")]
        expect(status == 200 and all("def " in t for t in texts), "both nodes were answered")


class _Upload(BaseHTTPRequestHandler):
    """Takes one body."""

    taken: list[bytes]

    def do_POST(self) -> None:
        self.taken.append(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def upload_server() -> Generator[tuple[str, list[bytes]]]:
    """Serve where n8n uploads to; yields the address and what came."""
    taken: list[bytes] = []
    handler = type("Bound", (_Upload,), {"taken": taken})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/", taken
        finally:
            server.shutdown()


def check_files(host: Host, atos: Atos, key: str) -> None:
    """The zip of a goal, written to n8n's disk and uploaded: its tests pass, and n8n can't read ATOS's folder.

    Raises:
        StepFailedError: a file is missing, or its tests fail.
    """
    place = host.folder / ".n8n-files"
    place.mkdir(exist_ok=True)
    file = place / "goal.zip"
    with upload_server() as (url, taken):
        asked = {"goal": TOOLKIT, "file": str(file), "upload": url}
        status, _ = call(host, key, "atos-files-out", asked, {"idempotency-key": "files-out"})
    expect(status == 200 and file.exists() and len(taken) == 1, "written and uploaded")
    for name, content in (("written", file.read_bytes()), ("uploaded", taken[0])):
        folder = host.folder / name
        zipfile.ZipFile(io.BytesIO(content)).extractall(folder)
        python = ROOT / ".venv" / "bin" / "python"
        found = run(
            f"tests of what was {name}",
            [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "."],
            folder=folder,
            environ={"PATH": os.environ["PATH"], "HOME": str(host.folder)},
            deadline=120,
        )
        expect(" passed" in found, f"{name}: {found.strip().splitlines()[-1]}")
    if host.hides:
        expect(not host.sees(atos.home / "a" / "run" / "token"), "ATOS's folder is hidden from n8n")


def answer(told: dict[str, Any], digest: str) -> tuple[int, str]:
    """Approve a digest at the execution that waits for it; anything else denies. Return status and text."""
    status, text = 0, ""
    url = str(told["approve"]).replace("//localhost:", "//127.0.0.1:")
    for _ in range(60):  # the 202 comes a moment before the execution waits
        status, text, _ = request(url, {"digest": digest}, None, SECONDS)
        if "is running already" not in text:
            break
        time.sleep(1)
    print(f"    approval -> HTTP {status} {text[:300]}", flush=True)
    return status, text


def check_approval(host: Host, atos: Atos, key: str) -> None:
    """Build, approve, deploy, verify, by n8n: denied, expired and changed send nothing; approved answers.

    Raises:
        StepFailedError: something went out that nobody approved, or what was approved does not answer.
    """

    def ask(wait_s: int) -> dict[str, Any]:
        body = {"goal": TOOLKIT, "wait_s": wait_s}
        status, told = call(host, key, "atos-ship", body, {"idempotency-key": "ship"})
        expect(status == 202 and told.get("digest"), "the plan is shown, and waits")
        return told

    def live(told: dict[str, Any]) -> str:
        found = tool(atos, "workflow", "list_deployments", {})["deployments"]
        return next(d["live"] for d in found if d["name"] == told["deployment"])

    told = ask(120)
    was = live(told)  # nothing, in a fresh home
    status, _ = answer(told, "")
    expect((status, live(told)) == (409, was), "denied: nothing was deployed")
    told = ask(EXPIRES_S)
    time.sleep(3 * EXPIRES_S)  # an approval in time would deploy
    status, _ = answer(told, told["digest"])
    expect(status in {404, 409} and live(told) == was, "expired: nothing was deployed")
    told = ask(120)
    repository = tool(atos, "orchestrate", "get_goal", {"goal_id": told["goal"]})["repository"]
    commit(Path(repository), "CHANGED.md", "changed after the plan\n")
    status, _ = answer(told, told["digest"])
    expect((status, live(told)) == (409, was), "hash changed: nothing was deployed")
    told = ask(120)
    status, text = answer(told, told["digest"])
    expect(status == 200 and live(told) == told["digest"], "approved: deployed as approved")
    url = json.loads(text)["url"]
    expect(request(url)[0] == 200, f"and verified from outside: {url} answers")
    _deploy_again(host, key, repository, told["digest"])
    kept = live(told) == told["digest"] and request(url)[0] == 200
    expect(kept, f"and what was verified before answers still: {url}")
    tool(atos, "workflow", "stop_deployment", {"name": told["deployment"]})


def _deploy_again(host: Host, key: str, repository: str, digest: str) -> None:
    """The workflow that deploys and verifies: what nobody approved is refused, what is not as asked is not verified."""
    asked = {"repository": repository, "digest": "0" * 64}
    status, _ = call(host, key, "atos-deploy", asked)
    expect(status == 409, "deploy and verify: another digest is refused")
    status, told = call(host, key, "atos-deploy", {**asked, "digest": digest, "marker": "reverse"})
    expect((status, told.get("ok")) == (200, True), "what was approved is deployed and verified")
    missing = {**asked, "digest": digest, "marker": "no such words"}
    status, told = call(host, key, "atos-deploy", missing)
    expect(status == 502 and not told.get("ok"), f"a page without the marker is not: HTTP {status}")


def commit(repository: Path, name: str, text: str) -> None:
    """Change a goal's repository as a person would."""
    (repository / name).write_text(text, encoding="utf-8")
    who = ["-c", "user.name=check", "-c", "user.email=check@example.com"]
    for step in (["add", "-A"], ["commit", "-qm", "Change something"]):
        subprocess.run(["git", "-C", str(repository), *who, *step], check=True, capture_output=True)


def gateway_url(atos: Atos) -> str:
    """Return the address of n8n's own port of the gateway."""
    line = [ROOT / ".venv" / "bin" / "atos-client", "gateway", "on", "--as", "n8n:batch", "--json"]
    done = subprocess.run(
        list(map(str, line)), env=atos.environ, capture_output=True, text=True, check=True
    )
    return str(json.loads(done.stdout)["url"])


CHECKS: dict[str, tuple[tuple[str, ...], Callable[[Host, Atos, str], None]]] = {
    "files": (("files-to-disk-and-upload.json",), check_files),
    "approval": (("goal-approve-deploy.json", "deploy-and-verify.json"), check_approval),
    "models": (("models-share-the-gpu.json",), check_models),
    "router": (("task-router.json",), check_router),
}
"""Part -> the workflows that it calls, and the check."""

if __name__ == "__main__":
    sys.exit("Run n8n/check.py --only PART.")
