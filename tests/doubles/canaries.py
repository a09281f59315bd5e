"""Secrets planted where people have them, and the search for them in everything that ATOS leaves and says."""

import base64
import secrets
import subprocess
import threading
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

VARIABLES = (
    "AWS_SECRET_ACCESS_KEY", "OPENAI_API_KEY", "HF_TOKEN", "N8N_API_KEY", "VERCEL_TOKEN", "FLY_API_TOKEN",
    "GITHUB_TOKEN", "DATABASE_PASSWORD",
)  # fmt: skip
FILES = {
    ".ssh/id_ed25519": "-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n",
    ".env": "STRIPE_KEY={}\n",
    ".aws/credentials": "[default]\naws_secret_access_key = {}\n",
    ".config/gcloud/key.json": '{{"private_key": "{}"}}\n',
    ".kube/config": "token: {}\n",
    ".netrc": "machine example.org login me password {}\n",
    ".n8n/config": '{{"encryptionKey": "{}"}}\n',
    ".config/engine.key": "{}\n",
    ".config/webhook.key": "{}\n",
    ".config/github.token": "{}\n",
    ".config/cloudflare.token": "{}\n",
    ".config/heroku.token": "{}\n",
}
"""Path below the home directory -> its text, with a place for the canary."""


class Canaries:
    """One canary for each place, all different."""

    def __init__(self) -> None:
        places = (*VARIABLES, *FILES, "engine password", "proxy password")
        self.of = {place: f"c4n4ry{secrets.token_hex(12)}" for place in places}

    def plant(self, person: Path) -> None:
        """Write the files."""
        for name, text in FILES.items():
            path = person / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.format(self.of[name]))
            path.chmod(0o600)

    @property
    def environment(self) -> dict[str, str]:
        """The variables."""
        proxy = f"http://me:{self.of['proxy password']}@127.0.0.1:9"
        return {name: self.of[name] for name in VARIABLES} | {"HTTPS_PROXY": proxy}

    def found(self, text: bytes) -> list[str]:
        """Return which of them a text holds: as they are, escaped, in hexadecimal or base64."""
        return [
            place for place, canary in self.of.items() if any(f in text for f in _forms(canary))
        ]

    def in_files(self, top: Path) -> dict[str, list[str]]:
        """Return file below `top` -> the canaries in it; git's objects are unpacked, planted files left out."""
        planted = {top / name for name in FILES} | {top / ".atos" / ".env"}
        held: dict[str, list[str]] = {}
        for path in top.rglob("*"):
            if path.is_file() and not path.is_symlink() and path not in planted:
                held[str(path)] = self.found(path.read_bytes())
            elif path.name == ".git" and path.is_dir():
                held[f"{path}: objects"] = self.found(_objects(path))
        return {name: places for name, places in held.items() if places}


def _objects(git: Path) -> bytes:
    command = ["git", "--git-dir", str(git), "cat-file", "--batch-all-objects", "--batch"]
    return subprocess.run(command, capture_output=True, check=True).stdout


def _forms(canary: str) -> Iterable[bytes]:
    raw = canary.encode()
    yield raw
    yield quote(canary, safe="").encode()
    yield raw.hex().encode()
    for shift in range(3):  # where base64 begins decides how a text in the middle looks
        yield base64.b64encode(b"\0" * shift + raw)[4 if shift else 0 : -4]


class ProcessLists:
    """Reads the command line of every process, again and again, as `ps` would."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._ended = threading.Event()

    def read(self) -> None:
        """Look once."""
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    self.seen.add((entry / "cmdline").read_bytes())
                except OSError:
                    continue

    def _watch(self) -> None:
        while not self._ended.wait(0.05):
            self.read()

    @contextmanager
    def watching(self) -> Generator[None]:
        """Read them while the block runs."""
        thread = threading.Thread(target=self._watch)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()
