"""A real n8n for the end-to-end check, started on loopback.

Why these settings: `docs/n8n.md`. A fresh user folder per run, so nothing of an earlier run counts;
the owner comes from the environment, and the public-API key from n8n's private login route, because
there is no command for it. Standard library only.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import Any

from installation import BINARY, HOST

from toolchain import CACHE, PACKAGE, Node, StepFailedError, run

START_SECONDS = 400.0
"""Longest start: 15 s on a quiet machine."""
OWNER = "owner@example.com"
SCOPES = ["workflow:read", "workflow:list", "workflow:activate", "workflow:deactivate"]


def free_port() -> int:
    """Return a loopback port that nothing listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def request(
    url: str,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
    deadline: float = 30,
) -> tuple[int, str, str]:
    """Send a GET, or a POST when there is a body; return status, text and the first cookie.

    A server that does not answer counts as status 0.
    """
    data = None if body is None else json.dumps(body).encode()
    sent = {"content-type": "application/json", **(headers or {})}
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, data, sent), timeout=deadline
        ) as answer:
            return answer.status, answer.read().decode(errors="replace"), _cookie(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace"), _cookie(error.headers)
    except OSError as error:
        return 0, str(error), ""


def _cookie(headers: Message) -> str:
    return headers.get("set-cookie", "").partition(";")[0]


@dataclass(slots=True)
class Host:
    """One n8n process with its own user folder."""

    node: Node
    folder: Path
    url: str
    environ: dict[str, str]
    password: str
    key: str = ""
    cookie: str = field(default="", repr=False)
    hidden: Path | None = None
    """A folder that n8n is not to see, where this machine can hide one (root, `unshare`)."""
    process: subprocess.Popen[bytes] | None = None

    def command(self, title: str, *arguments: str | Path) -> None:
        """Run a command of n8n's command line.

        Raises:
            StepFailedError: it failed.
        """
        line = [self.node.bin / "node", BINARY, *arguments]
        run(title, line, folder=self.folder, environ=self.environ, deadline=START_SECONDS)

    def start(self) -> None:
        """Start n8n and wait until it answers and has given an API key.

        Raises:
            StepFailedError: it ended, or was not ready within `START_SECONDS`.
        """
        log = CACHE / "n8n.log"
        with log.open("wb") as sink:
            self.process = subprocess.Popen(
                [*self._hiding(), self.node.bin / "node", BINARY, "start"],
                cwd=self.folder,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        until = time.monotonic() + START_SECONDS
        while request(f"{self.url}/healthz/readiness")[0] != 200:
            if self.process.poll() is not None or time.monotonic() > until:
                message = f"n8n did not start:\n{log.read_text(errors='replace')[-3000:]}"
                raise StepFailedError(message)
            time.sleep(0.5)
        self.key = self._api_key(until)

    @property
    def hides(self) -> bool:
        """Whether the hidden folder is empty for n8n."""
        return bool(self.hidden and os.geteuid() == 0 and shutil.which("unshare"))

    def _hiding(self) -> list[str]:
        if not self.hides:
            return []
        script = 'mount -t tmpfs -o size=4k none "$0" && exec "$@"'
        return ["unshare", "-m", "sh", "-c", script, str(self.hidden)]

    def sees(self, path: Path) -> bool:
        """Tell whether n8n's process could open a file."""
        assert self.process is not None
        return Path(f"/proc/{self.process.pid}/root{path}").exists()

    def kill(self) -> None:
        """End n8n as an out-of-memory killer would."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _api_key(self, until: float) -> str:
        login = {"emailOrLdapLoginId": OWNER, "password": self.password}
        status, text, cookie = request(f"{self.url}/rest/login", login)
        while status in {0, 404, 503} and time.monotonic() < until:
            time.sleep(0.5)
            status, text, cookie = request(f"{self.url}/rest/login", login)
        self.cookie = cookie
        wish = {"label": f"atos check {secrets.token_hex(4)}", "scopes": SCOPES, "expiresAt": None}
        if status == 200:
            status, text, _ = request(f"{self.url}/rest/api-keys", wish, {"cookie": cookie})
        if status not in {200, 201}:
            message = f"n8n gave no API key: HTTP {status} {text[:300]}"
            raise StepFailedError(message)
        return json.loads(text)["data"]["rawApiKey"]

    def rest(self, path: str, body: Any = None) -> tuple[int, str]:
        """Ask the routes that n8n's editor uses; return status and text."""
        url = f"{self.url}/rest/{path}"
        status, text, _ = request(url, body, {"cookie": self.cookie})
        return status, text

    def executions(self, status: str) -> list[dict[str, Any]]:
        """Return the executions in a state such as `running` or `waiting`."""
        wanted = urllib.parse.quote(json.dumps({"status": [status]}))
        answered, text = self.rest(f"executions?filter={wanted}&limit=50")
        return json.loads(text)["data"]["results"] if answered == 200 else []

    def webhook_answers(self, path: str) -> bool:
        """Tell whether a webhook is registered: it asks for its key."""
        return request(f"{self.url}/webhook/{path}", {})[0] == 403

    def activate(self, workflow: str, path: str) -> None:
        """Publish a workflow and wait until its webhook is registered.

        A 200 of the API is no proof: the webhook can be 404 for a moment, or until the workflow is
        published again. A request without the webhook's key tells, as it is refused by the webhook
        itself, and starts nothing.

        Raises:
            StepFailedError: the webhook stayed away.
        """
        headers = {"X-N8N-API-KEY": self.key}
        base = f"{self.url}/api/v1/workflows/{workflow}"
        for _ in range(4):
            status, text, _ = request(f"{base}/activate", {}, headers)
            if status != 200:
                message = f"n8n did not publish {workflow}: HTTP {status} {text[:300]}"
                raise StepFailedError(message)
            for _ in range(20):
                if self.webhook_answers(path):
                    return
                time.sleep(0.25)
            request(f"{base}/deactivate", {}, headers)
        message = f"n8n published {workflow}, but its webhook does not ask for its key"
        raise StepFailedError(message)

    def publish(self, workflow: str) -> None:
        """Publish a workflow that starts without a webhook of its own path.

        Raises:
            StepFailedError: n8n refused, for example as the trigger could not subscribe.
        """
        headers = {"X-N8N-API-KEY": self.key}
        url = f"{self.url}/api/v1/workflows/{workflow}/activate"
        status, text, _ = request(url, {}, headers)
        if status != 200:
            message = f"n8n did not publish {workflow}: HTTP {status} {text[:500]}"
            raise StepFailedError(message)

    def stop(self) -> None:
        """End n8n, politely first; never fails."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def _password_hash(node: Node, password: str) -> str:
    script = "console.log(require('bcryptjs').hashSync(process.env.PASSWORD, 10))"
    line = [node.bin / "node", "-e", script]
    environ = node.environ(PASSWORD=password)
    done = subprocess.run(
        line, cwd=HOST, env=environ, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.strip()


def prepare_host(node: Node, folder: Path) -> Host:
    """Make a user folder with the node package installed as a person would install it.

    Raises:
        StepFailedError: the package could not be packed or installed.
    """
    nodes = folder / ".n8n" / "nodes"
    nodes.mkdir(parents=True)
    (nodes / "package.json").write_text('{"name":"installed-nodes","private":true}')
    npm = node.bin / "npm"
    pack = [npm, "pack", "--pack-destination", nodes]
    run("npm pack", pack, folder=PACKAGE, environ=node.environ(), deadline=60)
    packed = next(nodes.glob("n8n-nodes-atos-*.tgz"))
    flags = ["--legacy-peer-deps", "--omit=peer", "--ignore-scripts"]
    install = [npm, "install", *flags, packed]
    run("node package into n8n", install, folder=nodes, environ=node.environ(), deadline=120)
    password, port = secrets.token_urlsafe(12), free_port()
    environ = node.environ(
        HOME=str(folder),
        N8N_USER_FOLDER=str(folder),
        N8N_ENCRYPTION_KEY=secrets.token_hex(16),
        N8N_LISTEN_ADDRESS="127.0.0.1",
        N8N_PORT=str(port),
        N8N_RUNNERS_BROKER_PORT=str(free_port()),
        NODE_ENV="production",
        N8N_SECURE_COOKIE="false",
        N8N_DIAGNOSTICS_ENABLED="false",
        N8N_VERSION_NOTIFICATIONS_ENABLED="false",
        N8N_TEMPLATES_ENABLED="false",
        N8N_PERSONALIZATION_ENABLED="false",
        N8N_HIRING_BANNER_ENABLED="false",
        N8N_DISABLED_MODULES="insights,mcp-registry,instance-ai,chat-hub",
        EXECUTIONS_DATA_SAVE_ON_SUCCESS="none",
        N8N_INSTANCE_OWNER_MANAGED_BY_ENV="true",
        N8N_INSTANCE_OWNER_EMAIL=OWNER,
        N8N_INSTANCE_OWNER_FIRST_NAME="ATOS",
        N8N_INSTANCE_OWNER_LAST_NAME="Check",
        N8N_INSTANCE_OWNER_PASSWORD_HASH=_password_hash(node, password),
    )
    # Set, even if empty, it makes n8n scan the working directory for nodes.
    environ.pop("N8N_CUSTOM_EXTENSIONS", None)
    return Host(node, folder, f"http://127.0.0.1:{port}", environ, password)


def remove(folder: Path) -> None:
    """Delete a folder of a finished run; what cannot go stays."""
    shutil.rmtree(folder, ignore_errors=True)
