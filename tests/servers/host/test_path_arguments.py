"""Every argument that is a path, of every tool of every server: no byte outside the caller's directories."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import anyio
import pytest
from fastmcp import Client
from hypothesis import given, settings
from hypothesis import strategies as st

from atos_protocol.settings import load_settings
from atos_servers.host.connection import Client as ClientKind
from atos_servers.host.connection import Connection, connected
from atos_servers.host.manifest import PATH
from atos_servers.host.services import Services
from atos_servers.host.suite import build_suite
from doubles.attack_ground import SECRET, AttackGround

CODE = {"path", "file", "overlay", "candidates", "tests"}
PATHS: dict[str, set[str]] = {
    "orchestrate": {"into"},
    "filesystem": {"path", "paths", "source", "destination", "other"},
    "code_runner": CODE,
    "workflow": {"path"},
    "vram": set(),
    "n8n": set(),
}
"""Server -> the arguments that are paths on this machine, or below the folder that another one names."""
NO_PATHS: dict[str, set[str]] = {
    # the paths in `plan` and `files` are below the goal's repository; `tests` is a text
    "orchestrate": {
        "after_seq", "answer", "cursor", "deploy", "detail", "digest", "review", "seconds", "model_calls", "text", "examples", "files", "goal", "goal_id", "ids", "key", "limit",
        "plan", "pool", "priority", "router", "spec", "task", "task_id", "tests", "ticket", "timeout_s", "wait_s",
    },
    "filesystem": {
        "change", "content", "context", "create_only", "cursor", "dryRun", "edits", "excludePatterns",
        "expect_sha256", "glob", "head", "ignore_case", "length", "literal", "offset", "pattern", "sortBy",
        "start_line", "tail",
    },
    "code_runner": {
        "args", "assertions", "calls", "code", "coverage", "handle", "modules", "packages", "policy", "source", "stdin",
        "ticket", "timeout_s",
    },
    "workflow": {
        "destination", "digest", "handle", "key", "lines", "marker", "name", "payload", "target", "text", "timeout_s",
        "wait_s",
    },
    "vram": {"model"},
    # `file` is the name of a file in a commit, which is looked up and never opened
    "n8n": {"answer", "examples", "file", "goal", "goal_id", "key", "pool", "task", "task_id"},
}  # fmt: skip
PATHS["all"] = set().union(*PATHS.values())
NO_PATHS["all"] = set().union(*NO_PATHS.values())

CALLS: dict[str, dict[str, Any]] = {
    "read_text_file": {},
    "read_media_file": {},
    "read_multiple_files": {},
    "write_file": {"content": "written"},
    "edit_file": {"edits": [{"oldText": "RET", "newText": "changed"}]},
    "create_directory": {},
    "list_directory": {},
    "list_directory_with_sizes": {},
    "directory_tree": {},
    "move_file": {},
    "search_files": {"pattern": "**/secret"},
    "get_file_info": {},
    "read_file": {},
    "append_file": {"content": "written"},
    "delete_file": {},
    "glob": {"pattern": "**/secret"},
    "grep": {"pattern": "SEC.*"},
    "diff": {},
    "history": {},
}
"""The filesystem server's tools that take a path, and their further arguments."""
NAMES = {"move_file": ["source", "destination"], "diff": ["path", "other"]}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def _wake(message: dict[str, Any]) -> None:
    """There is no worker here."""


@asynccontextmanager
async def client(
    server: str, *roots: Path, kind: ClientKind = "shim"
) -> AsyncGenerator[Client[Any]]:
    suite = build_suite(Services(load_settings(), _wake), (server,))
    with connected(Connection(kind, roots)):
        async with Client(suite[server]) as opened:
            yield opened


def test_it_is_known_of_every_argument_whether_it_is_a_path() -> None:
    manifest = json.loads(PATH.read_bytes())["servers"]
    found = {
        name: {
            argument
            for tool in server["handshake"]["answers"]["tools/list"]["tools"]
            for argument in tool["inputSchema"].get("properties", {})
        }
        for name, server in manifest.items()
    }
    combined = found.pop("all")  # lists fewer arguments than the servers whose tools it has
    assert combined <= PATHS["all"] | NO_PATHS["all"]
    assert found == {name: PATHS[name] | NO_PATHS[name] for name in PATHS if name != "all"}


PART = st.sampled_from(
    ["..", ".", "", "dir", "up", "to-folder", "absolute", "root", "proc", "loop", "dangling", "within",
     "hardlink", "fifo", "outside", "ws-evil", "secret", "new", "é", "tmp", "etc", "hostname"]
)  # fmt: skip
STARTS = st.sampled_from(["", "/", "{inside}/", "{outside}/", "{inside}-evil/", "~/"])
TEXT = st.tuples(STARTS, st.lists(PART, max_size=6).map("/".join)).map("".join)


@pytest.mark.timeout(60)
def test_no_tool_reads_or_changes_anything_outside(atos_home: Path, tmp_path: Path) -> None:
    del atos_home
    server = build_suite(Services(load_settings(), _wake), ("filesystem",))["filesystem"]
    grounds = (AttackGround(tmp_path / str(number)) for number in count())

    @settings(deadline=None, max_examples=60)
    @given(tool=st.sampled_from(sorted(CALLS)), text=TEXT, other=TEXT)
    def attempt(tool: str, text: str, other: str) -> None:
        ground = next(grounds)
        ground.lay_out()
        fill = {"inside": ground.inside, "outside": ground.outside}
        paths = [path.format(**fill) for path in (text, other)]
        arguments = CALLS[tool] | dict(zip(NAMES.get(tool, ["path"]), paths, strict=False))
        if tool == "read_multiple_files":
            arguments = {"paths": paths}

        async def call() -> str:
            with connected(Connection("shim", (ground.inside,))):
                async with Client(server) as opened:
                    return str(await opened.call_tool(tool, arguments, raise_on_error=False))

        assert SECRET.decode() not in anyio.run(call)
        ground.check_untouched()

    attempt()


@pytest.mark.parametrize("tool", ["run_pytest", "run_python", "evaluate", "check_syntax"])
@pytest.mark.parametrize(
    "path", ["{outside}", "../outside", "to-folder", "{inside}/to-folder/folder", "{inside}-evil", "root/etc"]
)  # fmt: skip
async def test_no_code_is_taken_from_outside(
    atos_home: Path, tmp_path: Path, tool: str, path: str
) -> None:
    del atos_home
    ground = AttackGround(tmp_path)
    ground.lay_out()
    more: dict[str, Any] = {
        "run_python": {"code": "1"},
        "evaluate": {"candidates": [{"m.py": "x = 1"}], "assertions": ["assert 1"]},
    }.get(tool, {})
    arguments = {"path": path.format(inside=ground.inside, outside=ground.outside)} | more
    async with client("code_runner", ground.inside) as opened:
        result = await opened.call_tool(tool, arguments, raise_on_error=False)
    assert (result.meta or {})["atos/error"]["code"] == "workspace"


@pytest.mark.parametrize("name", ["grants", "agents.yaml", "run/token", "new/x.py"])
async def test_the_home_of_atos_is_not_writable_through_a_directory_that_contains_it(
    atos_home: Path, name: str
) -> None:
    (atos_home / "run").mkdir(parents=True)
    (atos_home / "run" / "token").write_text("secret")
    (atos_home / "workspace-link").symlink_to(atos_home)
    person = atos_home.parent
    attempts: list[tuple[str, dict[str, Any]]] = [
        ("write_file", {"path": f"{atos_home}/{name}", "content": "**"}),
        ("write_file", {"path": f"{atos_home}/workspace-link/{name}", "content": "**"}),
        ("create_directory", {"path": f"{atos_home}/{name}.d"}),
        ("move_file", {"source": f"{atos_home}/run", "destination": f"{person}/run"}),
        ("move_file", {"source": str(atos_home), "destination": f"{person}/moved"}),
    ]
    async with client("filesystem", person) as opened:
        results = [await opened.call_tool(*a, raise_on_error=False) for a in attempts]
    assert all(result.is_error for result in results)
    assert names(atos_home) == ["goals", "run", "workspace-link"]
    assert (atos_home / "run" / "token").read_text() == "secret"


async def test_the_worker_writes_in_the_home_of_atos_below_its_directories(atos_home: Path) -> None:
    tree = atos_home / "worktrees" / "g1" / "T1"
    tree.mkdir(parents=True)
    async with client("filesystem", tree, kind="worker") as opened:
        await opened.call_tool("write_file", {"path": f"{tree}/x.py", "content": "x = 1"})
        outside = {"path": f"{tree}/../x.py", "content": "x = 1"}
        assert (await opened.call_tool("write_file", outside, raise_on_error=False)).is_error
    assert names(tree.parent) == ["T1"]
    assert names(tree) == ["x.py"]
