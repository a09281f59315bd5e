"""What the shims answer from is what the servers say."""

import json

from atos_protocol.host_protocol import ENTRIES
from atos_servers.host.manifest import PATH, digest, generate

WITHOUT_SCHEMA = {
    "read_media_file",  # a picture or a sound, which no schema describes
    # goals, which `get_goal` describes; what is loaded into every conversation need not do it eleven times
    "start_goal", "wait_goal", "cancel_goal", "pause_goal", "resume_goal", "verified_code", "answer_question", "submit_fix", "retry_goal",
    "coverage_report", "environment", "get_plan", "approve_plan", "edit_plan", "note_goal", "set_limits", "run_result",
    "run_task", "list_goals", "aggregate_results",
}  # fmt: skip


async def test_the_manifest_is_what_the_servers_answer() -> None:
    """If this fails, a tool has changed: run `python -m atos_servers.host.manifest`."""
    assert json.loads(PATH.read_text(encoding="utf-8")) == await generate()


async def test_every_server_stands_in_it_with_both_eras() -> None:
    servers = json.loads(PATH.read_text(encoding="utf-8"))["servers"]
    assert set(servers) == set(ENTRIES)
    for name in ENTRIES:
        handshake, modern = servers[name]["handshake"], servers[name]["modern"]
        assert handshake["versions"][-1] == "2025-11-25"
        assert modern["versions"] == ["2026-07-28"]
        assert modern["answers"]["server/discover"]["capabilities"]
        assert handshake["answers"]["tools/list"]["tools"]
    assert digest()


async def test_schemas_hold_no_references_and_every_tool_is_described() -> None:
    """Some models refuse `$ref`, and hosts cut descriptions at 2 kB."""
    servers = json.loads(PATH.read_text(encoding="utf-8"))["servers"]
    for name, eras in servers.items():
        assert "$ref" not in json.dumps(eras), name
        for tool in eras["modern"]["answers"]["tools/list"]["tools"]:
            assert 20 < len(tool["description"].encode()) < 2000, tool["name"]
            assert tool["annotations"], tool["name"]
            described = name not in {"all", "n8n"} and tool["name"] not in WITHOUT_SCHEMA
            assert ("outputSchema" in tool) is described, tool["name"]
            assert len(f"atos-{name}_{tool['name']}") <= 60
