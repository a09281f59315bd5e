"""The filesystem server as a client sees it."""

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client
from fastmcp.exceptions import ToolError
from inline_snapshot import snapshot

from atos_protocol.settings import load_settings
from atos_servers.filesystem.edits import PROBE
from atos_servers.filesystem.server import build
from atos_servers.host.connection import Connection, connected
from atos_servers.host.services import Services
from atos_servers.host.tool_middleware import ToolMiddleware

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


async def _wake(message: dict[str, Any]) -> None:
    pass


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "main.py").write_text("def main():\n    return 1\n")
    (tmp_path / "notes.md").write_text("one\ntwo\nthree\n")
    (tmp_path / "dot.png").write_bytes(PNG)
    return tmp_path


@pytest.fixture
async def client(atos_home: Path, workspace: Path) -> AsyncIterator[Client[Any]]:
    server = build(Services(settings=load_settings(), notify_worker=_wake))
    server.add_middleware(ToolMiddleware(server))
    with connected(Connection(roots=(workspace,))):
        async with Client(server) as opened:
            yield opened


async def call(client: Client[Any], tool: str, **arguments: Any) -> str:
    result = await client.call_tool(tool, arguments)
    assert result.structured_content is not None
    return result.structured_content["content"]


async def refusal(client: Client[Any], tool: str, **arguments: Any) -> str:
    with pytest.raises(ToolError) as caught:
        await client.call_tool(tool, arguments)
    return str(caught.value)


async def test_the_tools_are_the_reference_servers_with_its_arguments(client: Client[Any]) -> None:
    tools = await client.list_tools()
    shapes = {
        t.name: (sorted(t.input_schema["properties"]), t.input_schema.get("required", []))
        for t in tools
    }
    assert shapes == snapshot(
        {
            "read_text_file": (["cursor", "head", "path", "start_line", "tail"], ["path"]),
            "read_file": (["head", "path", "tail"], ["path"]),
            "read_media_file": (["length", "offset", "path"], ["path"]),
            "read_multiple_files": (["paths"], ["paths"]),
            "write_file": (
                ["content", "create_only", "expect_sha256", "path"],
                ["path", "content"],
            ),
            "edit_file": (["dryRun", "edits", "expect_sha256", "path"], ["path", "edits"]),
            "append_file": (["content", "expect_sha256", "path"], ["path", "content"]),
            "delete_file": (["expect_sha256", "path"], ["path"]),
            "create_directory": (["path"], ["path"]),
            "list_directory": (["cursor", "path"], ["path"]),
            "list_directory_with_sizes": (["cursor", "path", "sortBy"], ["path"]),
            "directory_tree": (["cursor", "excludePatterns", "path"], ["path"]),
            "move_file": (["destination", "source"], ["source", "destination"]),
            "search_files": (["cursor", "excludePatterns", "path", "pattern"], ["path", "pattern"]),
            "glob": (["cursor", "path", "pattern"], ["pattern"]),
            "grep": (
                ["context", "cursor", "glob", "ignore_case", "literal", "path", "pattern"],
                ["pattern"],
            ),
            "get_file_info": (["path"], ["path"]),
            "diff": (["change", "other", "path"], ["path"]),
            "history": (["cursor", "path"], []),
            "undo": (["change"], ["change"]),
            "list_allowed_directories": ([], []),
        }
    )


async def test_the_tools_hints_are_the_reference_servers(client: Client[Any]) -> None:
    hints = {
        t.name: (t.annotations.destructive_hint, t.annotations.idempotent_hint)
        for t in await client.list_tools()
        if t.annotations and not t.annotations.read_only_hint
    }
    assert hints == {
        "append_file": (False, False),
        "delete_file": (True, True),
        "undo": (True, False),
        "write_file": (True, True),
        "edit_file": (True, False),
        "create_directory": (False, True),
        "move_file": (True, False),
    }


async def test_schemas_are_plain_enough_for_every_host(client: Client[Any]) -> None:
    tools = await client.list_tools()
    text = json.dumps([[t.input_schema, t.output_schema] for t in tools])
    assert "$ref" not in text
    assert '"null"' not in text
    assert all((t.description or "").startswith("Use ") for t in tools)


async def test_a_file_is_written_read_edited_and_listed(
    client: Client[Any], workspace: Path
) -> None:
    assert (
        await call(client, "create_directory", path="a/b") == "Successfully created directory a/b"
    )
    wrote = await call(client, "write_file", path=f"{workspace}/a/b/x.py", content="x = 1\n")
    assert wrote == f"Successfully wrote to {workspace}/a/b/x.py"
    edits = [{"oldText": "x = 1", "newText": "x = 2"}]
    shown = await call(client, "edit_file", path="a/b/x.py", edits=edits, dryRun=True)
    assert (workspace / "a/b/x.py").read_text() == "x = 1\n", "a dry run writes nothing"
    assert await call(client, "edit_file", path="a/b/x.py", edits=edits) == shown
    assert shown == snapshot("""\
```diff
--- a/a/b/x.py
+++ b/a/b/x.py
@@ -1 +1 @@
-x = 1
+x = 2
```
""")
    assert await call(client, "read_text_file", path="a/b/x.py") == "x = 2\n"
    assert await call(client, "list_directory", path="a/b") == "[FILE] x.py"


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ({"head": 2}, "one\ntwo"),
        ({"tail": 2}, "two\nthree"),
        ({"tail": 9}, "one\ntwo\nthree"),
        ({"head": 9}, "one\ntwo\nthree\n"),
        ({"head": None, "tail": None}, "one\ntwo\nthree\n"),
        ({}, "one\ntwo\nthree\n"),
    ],
)
async def test_a_text_is_read_whole_or_from_one_end(
    client: Client[Any], part: dict[str, Any], text: str
) -> None:
    assert await call(client, "read_text_file", path="notes.md", **part) == text


async def test_head_tail_and_cursors_reach_all_of_a_file_that_is_too_big_to_be_read_at_once(
    client: Client[Any], workspace: Path
) -> None:
    with (workspace / "huge.log").open("wb") as file:
        file.write(b"first\nsecond\n" + b"x" * PROBE)
        file.seek(20 << 20)
        file.write(b"\nlast but one\nlast\n")
    assert await call(client, "read_text_file", path="huge.log", head=1) == "first"
    assert await call(client, "read_text_file", path="huge.log", tail=2) == "last but one\nlast"
    behind = f"{(20 << 20) + 1}:4"
    assert await call(client, "read_text_file", path="huge.log", cursor=behind) == (
        "last but one\nlast\n"
    )


async def test_several_files_are_read_and_one_failure_stops_nobody(client: Client[Any]) -> None:
    text = await call(client, "read_multiple_files", paths=["notes.md", "nobody", "dot.png"])
    assert "notes.md:\none\ntwo\nthree\n" in text
    assert "nobody: Error - not_found" in text
    assert "dot.png: Error - not_text" in text


async def test_an_image_comes_as_an_image(client: Client[Any]) -> None:
    result = await client.call_tool("read_media_file", {"path": "dot.png"})
    image = result.content[0]
    assert image.type == "image"
    assert (image.mime_type, base64.b64decode(image.data)) == ("image/png", PNG)


async def test_listings_trees_and_searches(client: Client[Any], workspace: Path) -> None:
    (workspace / "node_modules").mkdir()
    (workspace / "node_modules" / "x.js").write_text("")
    sizes = await call(client, "list_directory_with_sizes", path=".", sortBy="size")
    assert sizes == snapshot("""\
[FILE] dot.png                              28 B
[FILE] notes.md                             14 B
[DIR] node_modules
[DIR] src

Total: 2 files, 2 directories
Combined size: 42 B\
""")
    tree = await call(client, "directory_tree", path=".", excludePatterns=["node_modules"])
    assert json.loads(tree) == snapshot(
        [
            {"name": "dot.png", "type": "file"},
            {"name": "notes.md", "type": "file"},
            {"name": "src", "type": "directory", "children": [{"name": "main.py", "type": "file"}]},
        ]
    )
    found = await call(client, "search_files", path=".", pattern="**/*.py")
    assert found == f"{workspace}/src/main.py"
    assert await call(client, "search_files", path=".", pattern="*.rs") == "No matches found"


async def test_facts_of_a_file(client: Client[Any]) -> None:
    rows = (await call(client, "get_file_info", path="notes.md")).splitlines()
    facts = dict(row.split(": ", 1) for row in rows)
    assert {k: facts[k] for k in ("size", "isDirectory", "isFile", "permissions")} == snapshot(
        {"size": "14", "isDirectory": "false", "isFile": "true", "permissions": "644"}
    )
    assert sorted(facts) == snapshot(
        [
            "accessed",
            "created",
            "encoding",
            "isDirectory",
            "isFile",
            "lineEnding",
            "modified",
            "permissions",
            "sha256",
            "size",
            "totalLines",
        ]
    )


async def test_a_file_is_moved_and_never_over_another(client: Client[Any], workspace: Path) -> None:
    await call(client, "move_file", source="notes.md", destination="src/notes.md")
    assert (workspace / "src" / "notes.md").exists()
    told = await refusal(client, "move_file", source="dot.png", destination="src/notes.md")
    assert told.startswith("exists: ")


async def test_every_refusal_names_its_kind_and_the_next_step(
    client: Client[Any], workspace: Path
) -> None:
    told = {
        "outside": await refusal(client, "read_text_file", path="/etc/passwd"),
        "bad_path": await refusal(client, "read_text_file", path="../x"),
        "not_found": await refusal(client, "write_file", path="no/x", content=""),
        "not_a_file": await refusal(client, "read_text_file", path="src"),
        "protected": await refusal(client, "write_file", path=".git/config", content=""),
        "bad_request": await refusal(client, "read_text_file", path="notes.md", head=1, tail=1),
    }
    assert {code: text.split(":")[0] for code, text in told.items()} == {c: c for c in told}
    assert all(" Next: " in text for text in told.values())


async def test_a_protected_place_can_be_granted_by_the_person(
    client: Client[Any], atos_home: Path, workspace: Path
) -> None:
    assert "protected" in await refusal(client, "write_file", path="conftest.py", content="")
    (atos_home / "grants").write_text("conftest.py\n")
    await call(client, "write_file", path="conftest.py", content="x = 1\n")
    assert (workspace / "conftest.py").read_text() == "x = 1\n"


async def test_the_grants_themselves_lie_where_no_tool_reaches(
    client: Client[Any], atos_home: Path
) -> None:
    path = str(atos_home / "grants")
    assert "outside" in await refusal(client, "write_file", path=path, content="**")


async def test_a_name_that_is_no_unicode_is_listed(client: Client[Any], workspace: Path) -> None:
    try:
        (workspace / "bad-\udcff").write_text("")
    except OSError:
        pytest.skip("this file system takes Unicode names only")
    assert "[FILE] bad-�" in await call(client, "list_directory", path=".")


async def test_without_named_directories_the_workspaces_folder_stands(atos_home: Path) -> None:
    server = build(Services(settings=load_settings(), notify_worker=_wake))
    async with Client(server) as client:
        told = await call(client, "list_allowed_directories")
        assert told == f"Allowed directories:\n{load_settings().workspaces}"
        assert await call(client, "list_directory", path=".") == ""
