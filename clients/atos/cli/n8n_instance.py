"""One n8n, reached by its own commands: here, or in a container by `docker exec`."""

from __future__ import annotations

import json
import secrets
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from atos.cli.n8n_package import NodePackage
from atos_protocol.errors import EngineError, NotFoundError

SECONDS = 300.0
"""Longest command: npm may have to ask its registry."""
NODES = '"${N8N_USER_FOLDER:-$HOME}/.n8n/nodes"'
"""n8n's folder of installed nodes, as a shell there finds it."""
MANIFEST = '{"name":"installed-nodes","private":true}'
NPM = "npm install --legacy-peer-deps --omit=peer --ignore-scripts --no-audit --no-fund"
ASK = "fetch(process.argv[1]).then(a=>console.log('status='+a.status)).catch(()=>console.log('status=0'))"


@dataclass(frozen=True, slots=True)
class Instance:
    """Where n8n is; every method raises `EngineError` where a command fails there."""

    container: str = ""
    """Its name in Docker; empty: this machine."""
    command: str = "n8n"
    """n8n's own command, with arguments where it has some."""

    @property
    def option(self) -> str:
        """How a person names it to our command."""
        return f" --container {self.container}" if self.container else ""

    @property
    def restart(self) -> str:
        """How it is started anew, in brackets."""
        return f" (docker restart {self.container})" if self.container else ""

    def version(self) -> str:
        """Return n8n's version.

        Raises:
            NotFoundError: there is no n8n, or no such container.
        """
        try:
            return self._shell(f"{self.command} --version").strip().splitlines()[-1]
        except (EngineError, IndexError) as error:
            where = f"in the container {self.container}" if self.container else "on this machine"
            message = f"there is no n8n {where}: {error}"
            step = "Name its container (--container NAME; docker ps) or its command (--n8n PATH)."
            raise NotFoundError(message, next_step=step) from error

    def install(self, package: NodePackage) -> None:
        """Install the packed nodes where n8n looks for them."""
        file = f"n8n-nodes-atos-{package.version}.tgz"
        prepare = f"mkdir -p {NODES} && cd {NODES} && {{ test -f package.json || echo {shlex.quote(MANIFEST)} > package.json; }}"
        self._shell(f"{prepare} && cat > {file} && {NPM} ./{file}", package.content)

    def installed(self) -> str:
        """Return the version of the nodes that n8n has; empty where it has none."""
        look = f"cat {NODES}/node_modules/n8n-nodes-atos/package.json 2>/dev/null || true"
        try:
            return str(json.loads(self._shell(look))["version"])
        except (ValueError, KeyError):
            return ""

    def import_credentials(self, rows: Sequence[dict[str, Any]]) -> None:
        """Import credentials; the file with their secrets is private, and gone afterwards."""
        self._import("import:credentials", json.dumps(rows))

    def import_workflows(self, workflows: Sequence[dict[str, Any]]) -> None:
        """Import workflows; those with the same ids are replaced."""
        self._import("import:workflow", json.dumps(workflows))

    def publish(self, workflow: str) -> None:
        """Have a workflow run from n8n's next start on."""
        self._shell(f"{self.command} publish:workflow --id={shlex.quote(workflow)}")

    def workflows(self) -> list[dict[str, Any]]:
        """Return the workflows that n8n has."""
        file = _temporary()
        made = f"{self.command} export:workflow --all --output={file} >/dev/null 2>&1 || echo '[]' > {file}"
        return json.loads(self._shell(f"umask 077; {made}; cat {file}; rm -f {file}"))

    def status_of(self, url: str) -> int:
        """Return the HTTP status of an address as n8n's machine sees it; 0 where nothing answers."""
        said = self._shell(f"node -e {shlex.quote(ASK)} {shlex.quote(url)}")
        return int(said.rpartition("status=")[2].strip() or 0)

    def _import(self, action: str, text: str) -> None:
        file = _temporary()
        run = f"{self.command} {action} --input={file}"
        self._shell(f"umask 077; cat > {file} && {run}; s=$?; rm -f {file}; exit $s", text.encode())

    def _shell(self, script: str, given: bytes = b"") -> str:
        inside = ["docker", "exec", "-i", self.container] if self.container else []
        try:
            done = subprocess.run(
                [*inside, "sh", "-c", script],
                input=given, capture_output=True, check=False, timeout=SECONDS,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            message = f"{inside[0] if inside else 'sh'} did not do it: {error}"
            raise EngineError(message, next_step="Try it by hand.") from error
        if done.returncode:
            said = (done.stderr or done.stdout).decode(errors="replace").strip()[-600:]
            message = f"it failed with {done.returncode}: {said}"
            raise EngineError(message, next_step="What n8n says is above; then try again.")
        return done.stdout.decode(errors="replace")


def _temporary() -> str:
    return f"/tmp/atos-{secrets.token_hex(8)}.json"
