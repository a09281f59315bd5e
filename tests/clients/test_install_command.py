"""`install` and `uninstall`: what they write, what they leave alone, and what they prove."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from inline_snapshot import snapshot

from atos.cli.main import main
from atos.cli.plugging.entries import Entry, make_entries
from atos.cli.plugging.host_logs import log_finding
from atos.cli.plugging.mcp_hosts import System, host_named
from atos.cli.plugging.trial import Trial, host_environment, try_entry
from atos_protocol.settings import load_settings
from atos_servers.shim.main import __file__ as shim
from doubles.host_process import host_process

FILES = {
    "claude-desktop": ".config/Claude/claude_desktop_config.json",
    "claude-code": ".claude.json",
    "cursor": ".cursor/mcp.json",
    "vscode": ".config/Code/User/mcp.json",
}


@pytest.fixture(autouse=True)
def person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("ATOS_HOME", "WSL_DISTRO_NAME", "ATOS_HTTP_PORT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def install(host: str, *options: str) -> int:
    return main(["install", host, "--no-trial", *options])


def held(path: Path) -> Any:
    return json.loads(path.read_text())


@pytest.mark.parametrize("host", FILES)
def test_the_entry_starts_the_shim_by_absolute_paths(host: str, person: Path) -> None:
    assert install(host) == 0
    (servers,) = held(person / FILES[host]).values()
    entry = servers["atos"]
    assert (entry["command"], entry["args"]) == (sys.executable, ["-S", "-I", shim, "all"])
    assert entry.get("type", "stdio") == "stdio"


def test_doing_it_again_changes_nothing_and_other_entries_stay(person: Path) -> None:
    file = person / FILES["cursor"]
    file.parent.mkdir()
    before = {"mcpServers": {"other": {"command": "x"}}, "more": [1]}
    file.write_text("\ufeff" + json.dumps(before))
    assert install("cursor") == install("cursor") == 0
    assert list(held(file)["mcpServers"]) == ["other", "atos"]
    (backup,) = file.parent.glob("mcp.json.before-atos-*")
    assert json.loads(backup.read_text("utf-8-sig")) == before
    assert main(["uninstall", "cursor"]) == 0
    assert held(file) == before


def test_other_servers_than_before_replace_those_that_were_there(person: Path) -> None:
    install("cursor", "--server", "vram", "--server", "code-runner")
    assert list(held(person / FILES["cursor"])["mcpServers"]) == ["atos-vram", "atos-code-runner"]
    install("cursor", "--tools", "goals", "--read-only", "--directory", str(person))
    (entry,) = held(person / FILES["cursor"])["mcpServers"].values()
    assert entry["args"][3:] == ["all", "--tools=goals", "--read-only", str(person)]


@pytest.mark.parametrize("text", ["{ // a comment\n}", "[]", '{"mcpServers": 3}'])
def test_a_file_that_is_not_understood_is_left_as_it_is(
    text: str, person: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = person / FILES["claude-code"]
    file.write_text(text)
    assert install("claude-code") != 0
    assert file.read_text() == text
    assert "nothing was changed" in capsys.readouterr().err


def test_an_entry_of_somebody_else_under_our_name_is_not_replaced(person: Path) -> None:
    file = person / FILES["claude-code"]
    file.write_text('{"mcpServers": {"atos": {"command": "mine"}}}')
    assert install("claude-code") != 0
    assert held(file) == {"mcpServers": {"atos": {"command": "mine"}}}


def test_a_link_stays_a_link_and_the_mode_is_kept(person: Path) -> None:
    real = person / "dotfiles.json"
    real.write_text("{}")
    real.chmod(0o640)
    (person / FILES["claude-code"]).symlink_to(real)
    install("claude-code")
    assert (person / FILES["claude-code"]).is_symlink()
    assert held(real)["mcpServers"]["atos"]
    assert real.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("arguments", "near"),
    [
        (["install", "claude-deskop"], "Did you mean claude-desktop"),
        (["install", "cursor", "--server", "code-runer"], "Did you mean code_runner"),
        (["mcp-config", "nosuch"], "Use one of orchestrate, filesystem"),
        (["doctor", "--host", "vs-code"], "Did you mean vscode"),
    ],
)
def test_unknown_names_are_an_error_with_the_near_ones(
    arguments: list[str], near: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert near in capsys.readouterr().err


def test_settings_of_this_shell_reach_whoever_starts_the_daemons(
    person: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(person)
    monkeypatch.setenv("ATOS_HOME", str(person / "h"))
    monkeypatch.setenv("ATOS_HTTP_PORT", "0")
    monkeypatch.setenv("ATOS_GGUF", "m.gguf")
    install("cursor")
    (entry,) = held(person / FILES["cursor"])["mcpServers"].values()
    assert entry["env"] == {"ATOS_HOME": str(person / "h")}
    lines = (person / "h" / ".env").read_text().splitlines()
    assert sorted(lines) == [f"ATOS_GGUF={person / 'm.gguf'}", "ATOS_HTTP_PORT=0"]


def test_a_windows_claude_is_reached_through_wsl(tmp_path: Path) -> None:
    folder = tmp_path / "users/me/AppData/Local/Packages/Claude_x1/LocalCache/Roaming/Claude"
    folder.mkdir(parents=True)
    system = System(tmp_path, "linux", "Ubuntu", tmp_path / "users")
    host = host_named("claude-desktop")
    assert host.file
    assert host.file(system) == folder / "claude_desktop_config.json"
    entry = Entry("atos", "all", "/usr/bin/python3", ("shim.py", "all"), {"ATOS_HOME": "/h"})
    assert entry.as_written(host, system) == snapshot(
        {
            "command": "wsl.exe",
            "args": [
                "-d",
                "Ubuntu",
                "--",
                "/usr/bin/env",
                "ATOS_HOME=/h",
                "/usr/bin/python3",
                "shim.py",
                "all",
            ],
        }
    )


def test_an_http_client_gets_a_token_and_daemons_that_stay(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["install", "n8n", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["url"] == "http://127.0.0.1:8756/n8n/mcp"
    assert said["token"].startswith("atos_")
    assert load_settings().stay_file.exists()
    assert main(["uninstall", "n8n"]) == 0


def test_a_hosts_log_is_read_for_trouble(person: Path) -> None:
    logs = person / ".config/Claude/logs"
    logs.mkdir(parents=True)
    (logs / "mcp-server-atos.log").write_text("started\n\x1b[31merror: spawn ENOENT\nended\n")
    found = log_finding(host_named("claude-desktop"), System(person))
    assert found.detail.endswith("mcp-server-atos.log: \\x1b[31merror: spawn ENOENT")


def test_what_a_host_would_not_pass_on_is_not_there_in_the_trial() -> None:
    (entry,) = make_entries(["vram"], environ={"ATOS_HOME": "/h"})
    passed = host_environment(entry, {"HOME": "/me", "PATH": "/opt", "ATOS_GGUF": "x"})
    assert passed == {"HOME": "/me", "PATH": "/usr/local/bin:/usr/bin:/bin", "ATOS_HOME": "/h"}


def test_an_interpreter_that_is_gone_is_told() -> None:
    gone = Entry("atos", "all", "/no/python", (), {})
    assert try_entry(gone) == Trial("atos", ok=False, why="there is no /no/python")


SILENT = """
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    if "id" in asked:
        print(json.dumps({"id": asked["id"], "result": {"tools": []}}), flush=True)
"""


@pytest.mark.parametrize(
    ("command", "args", "why"),
    [
        (sys.executable, ("-c", SILENT), "IndexError"),
        ("true", (), "it ended without an answer"),  # found as the host finds it, on its PATH
        ("/etc/passwd", (), "there is no /etc/passwd"),
        ("/broken", (), "can't be started"),
    ],
)
def test_an_entry_that_does_not_work_is_told_and_raises_nothing(
    tmp_path: Path, command: str, args: tuple[str, ...], why: str
) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF and nothing behind it")
    broken.chmod(0o755)
    entry = Entry("atos", "all", command.replace("/broken", str(broken)), args, {})
    found = try_entry(entry)
    assert (found.ok, why in found.why) == (False, True)


@pytest.mark.timeout(240)
def test_each_entry_is_started_as_its_host_would_and_answers(
    capsys: pytest.CaptureFixture[str],
) -> None:
    servers = ["all", "orchestrate", "filesystem", "code_runner", "workflow", "vram"]
    with host_process() as host:
        options = [part for name in servers for part in ("--server", name)]
        assert main(["install", "claude-desktop", "--json", *options]) == 0
        trials = json.loads(capsys.readouterr().out)["trials"]
        assert held(host.person / FILES["claude-desktop"])
    assert [(each["entry"], each["ok"], each["why"]) for each in trials] == [
        ("atos" if name == "all" else f"atos-{name.replace('_', '-')}", True, "")
        for name in servers
    ]
    assert trials[0]["tools"] == 12
