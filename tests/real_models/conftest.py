"""A real 0.5B behind a client's port: what other people's programs are tried against."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from atos.cli.scheduler_call import scheduler_call
from atos_protocol.daemons import ensure, stop
from atos_protocol.settings import load_settings

MODEL = "qwen2.5-coder:0.5b"


@pytest.fixture(scope="session")
def weights() -> Path:
    """The model's file; `ATOS_TEST_GGUF` names one that is there already."""
    if given := os.environ.get("ATOS_TEST_GGUF"):
        return Path(given)
    command = [sys.executable, "-m", "atos_scheduler.models"]
    pulled = subprocess.run([*command, "pull", MODEL], check=False, timeout=600)
    assert pulled.returncode == 0, "the model could not be fetched"
    return load_settings().models / f"{MODEL.replace(':', '-')}.gguf"


@pytest.fixture(scope="module")
def port(weights: Path) -> Iterator[tuple[str, str]]:
    """The address of a client's port, and the model's name."""
    home = Path("/tmp") / f"atos-gateway-{os.getpid()}"
    settings = load_settings({"ATOS_HOME": str(home), "ATOS_GGUF": str(weights)})
    before = os.environ.copy()
    os.environ |= {"ATOS_HOME": str(home), "ATOS_GGUF": str(weights), "ATOS_OLLAMA_URL": ""}
    try:
        ensure("scheduler", settings)
        client = scheduler_call(settings, "PUT", "/atos/v1/clients/tests", {})
        yield client["url"], weights.stem
    finally:
        stop("scheduler", settings)
        os.environ.clear()
        os.environ |= before
        shutil.rmtree(home, ignore_errors=True)
