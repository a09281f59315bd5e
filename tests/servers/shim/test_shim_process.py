"""The shim as a process: no host for handshakes and lists, one host for whoever asks for more."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from atos_protocol.host_protocol import SERVERS
from atos_servers.host.manifest import PATH as MANIFEST
from doubles.host_process import HostProcess, host_process, wait_gone
from doubles.shim_process import HELLO, META, SHIM, ShimProcess

pytestmark = pytest.mark.timeout(60)

Start = Callable[..., ShimProcess]
SLEEP = {"name": "run_python", "arguments": {"code": "import time; time.sleep(30)", "path": "."}}


@pytest.fixture(scope="module")
def host() -> Iterator[HostProcess]:
    with host_process() as host:
        host.settings.prepare()
        host.settings.workspaces.mkdir()
        yield host


@pytest.fixture
def start(host: HostProcess) -> Iterator[Start]:
    """Start shims in the host's home; they are gone after the test."""
    started: list[ShimProcess] = []

    def begin(*arguments: str, **options: Any) -> ShimProcess:
        started.append(ShimProcess(host.person, *arguments, **options))
        return started[-1]

    yield begin
    for shim in started:
        shim.__exit__(None, None, None)


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-S", "-I", str(SHIM), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={}, cwd="/", timeout=10
    )


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "name a server: all, code_runner, filesystem, n8n, orchestrate, vram, workflow"),
        (["shell"], "there is no server 'shell'"),
        (["vram", "/tmp"], "the vram server takes no directories"),
        (["vram", "--tools=all"], "toolsets are for the server all"),
        (
            ["all", "--tools=gaols"],
            "there is no toolset 'gaols'. The toolsets are all, code, files, goals",
        ),
        (["all", "--writable"], "there is no option '--writable'"),
    ],
)
def test_wrong_arguments_are_reported_in_one_line(arguments: list[str], complaint: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(f"atos-mcp: {complaint}")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_a_folder_that_is_not_there_yet_costs_no_server(tmp_path: Path) -> None:
    with ShimProcess(tmp_path, "filesystem", "/no/such/place") as shim:
        shim.shake_hands()
        assert shim.ask("tools/list")["result"]["tools"]


def listed(home: Path, *options: str) -> list[str]:
    with ShimProcess(home, "all", *options) as shim:
        shim.shake_hands()
        return [tool["name"] for tool in shim.ask("tools/list")["result"]["tools"]]


def test_toolsets_and_read_only_choose_what_is_listed(tmp_path: Path) -> None:
    assert len(listed(tmp_path)) == 12
    assert set(listed(tmp_path, "--tools=n8n")) == {
        "start_goal", "wait_goal", "get_goal", "answer_question",
    }  # fmt: skip
    assert set(listed(tmp_path, "--tools=models,workflows", "--read-only")) == {
        "vram_status", "list_models", "list_workflows", "list_deployments", "deployment_log", "get_execution",
    }  # fmt: skip
    assert "start_goal" not in listed(tmp_path, "--read-only")
    assert len(listed(tmp_path, "--tools=all")) > 35


def test_it_imports_next_to_nothing(tmp_path: Path) -> None:
    """What costs an MCP host the start of five servers is what this process imports."""
    command = [sys.executable, "-S", "-I", "-X", "importtime", str(SHIM), "vram"]
    hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}
    done = subprocess.run(
        command, input=json.dumps(hello), capture_output=True, text=True, check=True, cwd=tmp_path
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert {"json", "select", "atos_servers.shim.relay"} <= imported
    costly = {"socket", "typing", "pathlib", "subprocess", "argparse", "dataclasses", "contextlib"}
    assert imported & costly == set()


def test_help_says_how_to_plug_it_in() -> None:
    done = run("--help")
    assert done.returncode == 0
    for name in SERVERS:
        assert name in done.stdout
    assert "mcpServers" in done.stdout


@pytest.mark.parametrize("server", SERVERS)
def test_handshakes_and_lists_start_no_host(server: str, tmp_path: Path) -> None:
    with ShimProcess(tmp_path, server) as shim:
        hello = shim.shake_hands()
        tools = shim.ask("tools/list")["result"]["tools"]
        assert shim.ask("ping")["result"] == {}
        assert shim.ask("prompts/list")["result"] is not None
        assert shim.end() == 0
    with ShimProcess(tmp_path, server) as shim:
        found = shim.ask("server/discover", _meta=META)["result"]
        modern = shim.ask("tools/list", _meta=META)["result"]["tools"]
    assert hello["serverInfo"] == {"name": f"atos-{server.replace('_', '-')}", "version": "0.1.0"}
    assert found["supportedVersions"] == ["2026-07-28"]
    assert [tool["name"] for tool in tools] == [tool["name"] for tool in modern]
    assert list(tmp_path.iterdir()) == []


def test_a_shim_with_an_empty_environment_and_the_shell_reach_one_host(
    host: HostProcess, start: Start
) -> None:
    shim = start("vram")
    shim.shake_hands()
    called = shim.ask("tools/call", name="vram_status", arguments={})
    assert called["result"]["structuredContent"]["summary"]
    assert host.ensure() == host.status()["pid"]
    assert host.status()["connections"] == 1
    other = start("workflow")
    other.ask("tools/call", name="list_workflows", arguments={}, _meta=META)
    assert host.status()["connections"] == 2


def test_the_directories_of_the_command_line_are_the_ones_that_may_be_touched(
    start: Start, tmp_path: Path
) -> None:
    (tmp_path / "note").write_text("hi")
    shim = start("filesystem", str(tmp_path))
    listed = shim.ask("tools/call", name="list_allowed_directories", arguments={}, _meta=META)
    read = shim.ask(
        "tools/call", name="read_text_file", arguments={"path": str(tmp_path / "note")}, _meta=META
    )
    outside = shim.ask(
        "tools/call", name="read_text_file", arguments={"path": "/etc/passwd"}, _meta=META
    )
    assert str(tmp_path) in json.dumps(listed)
    assert read["result"]["structuredContent"]["content"] == "hi"
    assert outside["result"]["isError"]


def test_the_answers_that_are_due_come_after_the_clients_end(start: Start) -> None:
    shim = start("code_runner")
    shim.shake_hands()
    first = shim.request("tools/call", name="check_syntax", arguments={"source": "x = 1"})
    second = shim.request("tools/call", name="check_syntax", arguments={"source": "x ="})
    assert shim.end() == 0
    answers = {answer["id"]: answer["result"]["structuredContent"]["ok"] for answer in shim.rest()}
    assert answers == {first: True, second: False}


def test_many_requests_at_once_are_all_answered(start: Start) -> None:
    """More than any pipe on the way holds, in both directions at once."""
    shim = start("vram")
    padding = "x" * 1000  # an unknown parameter makes it a question for the host
    asking = threading.Thread(
        target=lambda: [shim.request("tools/list", _meta=META, pad=padding) for _ in range(300)]
    )
    asking.start()
    answers = [shim.hear() for _ in range(300)]
    asking.join()
    assert sorted(answer["id"] for answer in answers) == list(range(1, 301))
    assert all("tools" in answer["result"] for answer in answers)


def test_a_killed_host_fails_waiting_calls_and_is_replaced_for_the_next(
    host: HostProcess, start: Start
) -> None:
    handshake, modern = start("code_runner"), start("code_runner")
    handshake.shake_hands()
    talks: list[tuple[ShimProcess, dict[str, Any]]] = [(handshake, {}), (modern, {"_meta": META})]
    check = {"name": "check_syntax", "arguments": {"source": "x = 1"}}
    for shim, extra in talks:
        shim.ask("tools/call", **check, **extra)
    waiting = [shim.request("tools/call", **SLEEP, **extra) for shim, extra in talks]
    first = host.ensure()
    os.kill(first, signal.SIGKILL)
    failed = [shim.hear() for shim, _ in talks]
    again = [shim.ask("tools/call", **check, **extra) for shim, extra in talks]
    assert [answer["id"] for answer in failed] == waiting
    assert [answer["error"]["code"] for answer in failed] == [-32000, -32000]
    assert failed[0]["error"]["data"]["code"] == "unreachable"
    assert all(answer["result"]["structuredContent"]["ok"] for answer in again)
    assert host.ensure() != first


def test_a_host_that_can_not_start_is_reported_with_its_reason(tmp_path: Path) -> None:
    home = tmp_path / ".atos"
    home.mkdir()
    (home / ".env").write_text("ATOS_HTTP_PORT=many\n")
    with ShimProcess(tmp_path, "vram") as shim:
        shim.shake_hands()
        failed = shim.ask("tools/call", name="vram_status", arguments={})
        listed = shim.ask("tools/list")
    assert failed["error"]["message"].startswith(f"bad_config: {home}/.env, line 1, ATOS_HTTP_PORT")
    assert listed["result"]["tools"]


def test_a_signal_ends_it_and_frees_its_connection(host: HostProcess, start: Start) -> None:
    host.ensure()
    host.until(lambda status: status["connections"] == 0)
    shim = start("vram")
    shim.ask("tools/call", name="vram_status", arguments={}, _meta=META)
    assert host.status()["connections"] == 1
    os.kill(shim.pid, signal.SIGTERM)
    wait_gone(shim.pid)
    host.until(lambda status: status["connections"] == 0)


def test_a_shim_of_another_version_takes_over_the_hosts_lists(start: Start, tmp_path: Path) -> None:
    """An upgrade under a running host, or a host that is newer than a shim still at work."""
    package = tmp_path / "atos_servers"
    shutil.copytree(MANIFEST.parent, package / "shim")
    shutil.copy(MANIFEST.parents[1] / "__init__.py", package)
    (tmp_path / "atos_protocol").symlink_to(SHIM.parents[3] / "clients" / "atos_protocol")
    root = package / "shim"
    old = json.loads(MANIFEST.read_text())
    old["digest"] = "old"
    old["servers"]["vram"]["handshake"]["answers"]["tools/list"]["tools"] = []
    (root / "manifest.json").write_text(json.dumps(old))
    shim = start("vram", shim=root / "main.py")
    shim.shake_hands()
    assert shim.ask("tools/list")["result"]["tools"] == []
    called = shim.request("tools/call", name="vram_status", arguments={})
    changed, answer = shim.hear(), shim.hear()
    assert changed == {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
    assert answer["id"] == called
    assert len(shim.ask("tools/list")["result"]["tools"]) == 4
