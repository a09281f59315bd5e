"""Runs Cloudflare's own program, wrangler, on a folder of files: what it put where, or an error that a person can act on.

    NAME's files --wrangler deploy--> https://NAME.ACCOUNT.workers.dev     with a token: in the person's account
                                                                           without: in a temporary one, to be claimed

It gets an environment of its own: no configuration of the person's, no `.env` of the folder. The token stands in a
variable of that process, since it takes it no other way, and in no argument, file or output.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atos_daemon.key_source import KeySource
from atos_protocol.errors import (
    AtosError,
    BadConfigError,
    BusyError,
    RefusedError,
    UnauthorizedError,
    UnreachableError,
)
from atos_protocol.redaction import redacted
from atos_servers.deployment.process_group import run_in_group

SECONDS = 40.0
COMPATIBILITY = "2026-11-01"
PASSED_ON = (
    "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "NODE_EXTRA_CA_CERTS", "NODE_USE_SYSTEM_CA",
)  # fmt: skip
CLAIM = re.compile(r"Claim within: (?P<within>[^\n]+)\s+Claim URL: (?P<url>https?://\S+)")
AGAIN = "Run it again: files that are there already are not sent twice."


@dataclass(frozen=True, slots=True)
class Put:
    """Files that wrangler has put somewhere."""

    url: str
    claim_url: str = ""
    """Of a temporary account: who opens it and signs in owns what is there."""
    claim_within: str = ""
    """How long that works, in wrangler's words."""


@dataclass(frozen=True, slots=True)
class Wrangler:
    """Cloudflare's program.

    Args:
        program: its name or path.
        home: a folder of ATOS's for what it keeps, such as the temporary account.
        key: the token; None: a temporary account is made, or the one that is kept is used again.
        api: address of Cloudflare's API; empty: wrangler knows it.
    """

    program: str
    home: Path
    key: KeySource | None = None
    api: str = ""

    def deploy(self, name: str, files: Path) -> Put:
        """Put the files of a folder where `name` answers with them.

        Raises:
            AtosError: it was not done, or nobody knows: it was cut off.
        """
        with tempfile.TemporaryDirectory(prefix="atos-wrangler-") as work:
            told = Path(work) / "told.ndjson"
            temporary = [] if self.key else ["--temporary"]
            command = [
                "deploy", "--assets", str(files), "--name", name, "--compatibility-date", COMPATIBILITY, *temporary,
            ]  # fmt: skip
            said = self._run(command, Path(work), told)
            return _put(told, said)

    def delete(self, name: str) -> None:
        """Take what answers to `name` down.

        Raises:
            AtosError: it could not be.
        """
        with tempfile.TemporaryDirectory(prefix="atos-wrangler-") as work:
            self._run(["delete", "--name", name, "--force"], Path(work), Path(work) / "told.ndjson")

    def _run(self, arguments: list[str], work: Path, told: Path) -> str:
        """Run it in an empty folder; return what it printed."""
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        command = [self._found(), *arguments]
        try:
            ran = run_in_group(
                command, self._environment(told), SECONDS, folder=work, together=True
            )
        except subprocess.TimeoutExpired as error:
            message = f"wrangler did not end within {SECONDS:.0f} s"
            raise UnreachableError(message, next_step=AGAIN) from error
        except OSError as error:
            message = f"wrangler can't be started: {error.strerror}"
            raise BadConfigError(message, next_step="Set ATOS_WRANGLER to its path.") from error
        if ran.returncode:
            raise refusal(redacted(_plain(ran.output)))
        return _plain(ran.output)

    def _found(self) -> str:
        found = shutil.which(self.program)
        if found:
            return found
        message = f"Cloudflare's program {self.program!r} is not there"
        step = "Install it (npm install -g wrangler; Node 22 or newer), or set ATOS_WRANGLER to its path."
        raise BadConfigError(message, next_step=step)

    def _environment(self, told: Path) -> dict[str, str]:
        passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        own = {
            "PATH": os.environ.get("PATH", os.defpath), "HOME": str(self.home), "XDG_CONFIG_HOME": str(self.home),
            "CI": "1", "NO_COLOR": "1", "FORCE_COLOR": "0", "WRANGLER_SEND_METRICS": "false",
            "WRANGLER_WRITE_LOGS": "false", "WRANGLER_OUTPUT_FILE_PATH": str(told),
        }  # fmt: skip
        token = {"CLOUDFLARE_API_TOKEN": self.key.read()} if self.key else {}
        api = {"CLOUDFLARE_API_BASE_URL": self.api} if self.api else {}
        return passed | own | token | api


def _plain(text: str) -> str:
    """Return a text without the colours of a terminal."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def _put(told: Path, said: str) -> Put:
    """Return what wrangler says that it did.

    Raises:
        UnreachableError: it does not say where.
    """
    lines: list[dict[str, Any]] = [
        json.loads(line)
        for line in (told.read_text(encoding="utf-8") if told.exists() else "").splitlines()
    ]
    found = (each.get("targets") for each in lines if each.get("type") == "deploy")
    targets: list[object] = next(found, None) or []
    address = next((str(each).split()[0] for each in targets if str(each).strip()), "")
    if not address:
        message = f"wrangler does not say where the files are: {said.strip()[-200:]!r}"
        raise UnreachableError(message, next_step=AGAIN)
    url = address if "://" in address else f"https://{address}"
    claim = CLAIM.search(said)
    whole = url if url.endswith("/") else f"{url}/"
    return Put(whole, claim["url"], claim["within"].strip()) if claim else Put(whole)


def refusal(said: str) -> AtosError:
    """Return what the failure means that wrangler tells of. Pure."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    about = next((at for at, line in enumerate(lines) if "ERROR" in line), max(0, len(lines) - 3))
    text = " ".join(
        each
        for each in lines[about : about + 4]
        if "an issue at" not in each and "create an issue" not in each
    )[:400]
    low = said.lower()
    if "code: 10000" in low or "code: 9109" in low or "authenticat" in low:
        message = f"Cloudflare refuses the token: it is wrong, expired or revoked, or may not do that: {text}"
        step = "Make one with the permission Workers Scripts: Edit, and write it to its file."
        return UnauthorizedError(message, next_step=step)
    if "code: 971" in low or "rate limit" in low or " 429 " in low or "too many requests" in low:
        message = f"Cloudflare's rate limit is reached: {text}"
        return BusyError(message, next_step=f"Wait 5 minutes. {AGAIN}")
    if any(each in low for each in ("fetch failed", "econn", "enotfound", "socket", "timed out", "internal server",
                                    "malformed", "bad gateway", "unavailable",
                                    "unknown error", "code: 10013", "code: 10001")):  # fmt: skip
        message = f"Cloudflare does not answer as it should: {text}"
        return UnreachableError(message, next_step=AGAIN)
    return RefusedError(f"wrangler failed: {text}", next_step="See what it says, then plan again.")
