"""`atos-client deploy` asks: the end of input is no yes, and without a terminal it says the whole command."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from atos_protocol.settings import load_settings
from doubles.installation import CLIENT
from doubles.scripted_host import ScriptedHost, Tool
from doubles.terminal import Terminal

pytestmark = pytest.mark.timeout(60)

RELEASE: dict[str, Any] = {
    "what": "a static site", "commit": "", "files": ["index.html"], "file_count": 1, "bytes": 20,
    "requirements": [], "warnings": [], "digest": "0123456789abcdef",
}  # fmt: skip


def planned(public: bool) -> dict[str, Any]:
    target = "pages" if public else "local"
    return {
        "name": "site", "target": target, "public": public, "source": "/h/my site",
        "state": "planned", "planned": RELEASE,
    }  # fmt: skip


@pytest.fixture(params=[False, True], ids=["local", "public"])
def host(request: pytest.FixtureRequest, atos_home: Path) -> Iterator[ScriptedHost]:
    plan = planned(request.param)
    tools: dict[str, Tool] = {"plan_deployment": lambda _: plan, "deploy": lambda _: plan}
    with ScriptedHost(load_settings().servers_socket, tools) as host:
        yield host


def test_the_end_of_input_deploys_nothing(host: ScriptedHost, tmp_path: Path) -> None:
    with Terminal((CLIENT, "deploy", str(tmp_path)), os.environ) as terminal:
        terminal.until("/")  # the prompt's choices
        terminal.until("] ")
        terminal.type("\x04")  # Ctrl-D
        code = terminal.ended()
    assert code == 4
    assert "Traceback" not in terminal.seen
    assert [name for name, _ in host.calls] == ["plan_deployment"]


def test_the_command_that_agrees_can_be_pasted_and_names_the_same_deployment(
    host: ScriptedHost, tmp_path: Path
) -> None:
    done = subprocess.run(
        [CLIENT, "deploy", str(tmp_path), "--name", "site"], stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert done.returncode == 4
    assert "atos-client deploy '/h/my site' " in done.stderr
    assert " --name site " in done.stderr
