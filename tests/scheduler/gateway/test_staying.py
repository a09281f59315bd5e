"""Whoever configured a client finds us later, though idle daemons end."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.request import urlopen

import pytest

from atos_protocol.daemons import is_up, stop
from atos_protocol.settings import load_settings

pytestmark = pytest.mark.timeout(180)

IDLE_SECONDS, WAIT_SECONDS = 5, 20


def test_a_daemon_stays_for_a_client_that_comes_long_after_it_would_have_ended() -> None:
    home = Path(tempfile.mkdtemp(prefix="atos"))
    environ = os.environ | {
        "HOME": str(home), "ATOS_HOME": str(home / "a"), "ATOS_SIMULATE": "1",
        "ATOS_IDLE_SECONDS": str(IDLE_SECONDS),
    }  # fmt: skip
    settings = load_settings(environ)
    command = [sys.executable, "-m", "atos.cli.main", "gateway"]

    def run(*arguments: str) -> dict[str, object]:
        done = subprocess.run(
            [*command, *arguments, "--json"],
            env=environ,
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(done.stdout)

    try:
        client = run("on", "--as", "editor:interactive")
        time.sleep(WAIT_SECONDS)  # what is tested is that time passes
        with urlopen(f"{client['url']}/api/tags", timeout=10) as reply:
            assert json.load(reply)["models"]
        run("off", "editor")
        deadline = time.monotonic() + 60
        while is_up("scheduler", settings):
            assert time.monotonic() < deadline, "without a client it ends as it used to"
            time.sleep(0.2)
    finally:
        stop("scheduler", settings)
        shutil.rmtree(home, ignore_errors=True)
