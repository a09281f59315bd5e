"""A person steers a goal from a terminal: approves and edits its plan, tells it something, sets its limits."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from inline_snapshot import snapshot

from atos_protocol.errors import BadRequestError, ConflictError
from atos_protocol.settings import load_settings
from doubles.installation import CLIENT
from doubles.scripted_host import ScriptedHost, Tool
from doubles.terminal import Terminal

pytestmark = pytest.mark.timeout(60)

PLAN = {
    "tasks": [
        {
            "id": "T1",
            "title": "count words",
            "files": ["count.py"],
            "contract": "words are split at white space",
            "examples": [
                "count('a b') == 2",
                "count('') == 0",
                "count('a') == 1",
                "count(' ') == 0",
            ],
        },
        {"id": "T2", "title": "print it", "files": ["main.py"], "depends_on": ["T1"]},
    ]
}
VIEW: Mapping[str, Any] = {
    "id": "g1", "goal": "Count words", "state": "running", "tasks": [], "seq": 3,
    "tests": {"passed": 0, "failed": 0}, "seconds": 1.0, "error": {},
}  # fmt: skip


def approve_plan(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    if arguments["digest"] != "0123456789ab":
        message = "the plan is not the one that you saw"
        raise ConflictError(message, next_step="Look again: atos-client approve g1")
    return VIEW


def edit_plan(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    if not arguments["plan"]["tasks"]:
        message = "it has no task"
        raise BadRequestError(message, next_step="Write one.")
    return VIEW


@pytest.fixture
def host(atos_home: Path) -> Iterator[ScriptedHost]:
    tools: dict[str, Tool] = {
        "get_plan": lambda _: {"plan": PLAN, "digest": "0123456789ab"},
        "approve_plan": approve_plan,
        "edit_plan": edit_plan,
        "note_goal": lambda _: VIEW,
        "set_limits": lambda _: VIEW,
        "list_goals": lambda _: {"goals": [VIEW]},
    }
    with ScriptedHost(load_settings().servers_socket, tools) as host:
        yield host


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the client without a terminal."""
    return subprocess.run(
        [CLIENT, *arguments], capture_output=True, text=True, check=False, timeout=30,
        stdin=subprocess.DEVNULL, env={**os.environ, **environ},
    )  # fmt: skip


def test_a_person_reads_the_newest_goals_plan_and_says_yes(host: ScriptedHost) -> None:
    with Terminal((CLIENT, "approve"), os.environ) as terminal:
        shown = terminal.until("[y/N]:")
        terminal.type("y")
        code = terminal.ended()
    assert code == 0
    assert shown == snapshot("""\
  T1 count words [count.py]
       words are split at white space
       count('a b') == 2
       count('') == 0
       count('a') == 1
       and 1 more example
  T2 print it [main.py, after T1]
Begin? [y/N]:\
""")
    assert host.calls[-1] == ("approve_plan", {"goal_id": "g1", "digest": "0123456789ab"})


def test_enter_approves_nothing_and_says_how_to_do_it_later(host: ScriptedHost) -> None:
    with Terminal((CLIENT, "approve", "g1"), os.environ) as terminal:
        terminal.until("[y/N]:")
        terminal.type("")
        code = terminal.ended()
    assert code == 4, "it needs a person"
    assert "atos-client approve g1 0123456789ab" in terminal.seen
    assert "approve_plan" not in [name for name, _ in host.calls]


def test_without_a_terminal_only_a_named_plan_is_approved(host: ScriptedHost) -> None:
    unasked = run("approve", "g1")
    stale = run("approve", "g1", "ffffffffffff")
    named = run("approve", "g1", "0123456789ab")
    assert unasked.returncode == 4, "it needs a person"
    assert "atos-client approve g1 0123456789ab" in unasked.stderr
    assert (stale.returncode != 0, "not the one that you saw" in stale.stderr) == (True, True)
    assert (named.returncode, named.stdout) == (0, "g1 goes on\n")


def test_yes_and_json_are_for_programs(host: ScriptedHost) -> None:
    done = run("approve", "g1", "--yes", "--json")
    assert json.loads(done.stdout)["id"] == "g1"
    assert [name for name, _ in host.calls] == ["get_plan", "approve_plan"]


def test_a_plan_is_edited_in_the_persons_editor(host: ScriptedHost, tmp_path: Path) -> None:
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i "s/count words/count letters/" "$1"\n')
    editor.chmod(0o755)
    done = run("edit", "g1", VISUAL=str(editor))
    assert done.returncode == 0
    assert host.calls[-1][1]["plan"]["tasks"][0]["title"] == "count letters"
    assert "then: atos-client approve g1" in done.stdout


def test_an_editor_that_is_missing_or_fails_changes_nothing(host: ScriptedHost) -> None:
    nothing = run("edit", "g1", VISUAL="", EDITOR="")
    failing = run("edit", "g1", VISUAL="false")
    absent = run("edit", "g1", VISUAL="/no/such/editor --wait")
    assert (nothing.returncode != 0, "--plan FILE" in nothing.stderr) == (True, True)
    assert (failing.returncode != 0, "stays as it was" in failing.stderr) == (True, True)
    assert "/no/such/editor --wait can't be started" in absent.stderr
    assert "Traceback" not in absent.stderr
    assert "edit_plan" not in [name for name, _ in host.calls]


@pytest.mark.parametrize(
    ("left", "why"), [("{", "is no JSON"), ('{"tasks": []}', "it has no task")]
)
def test_what_was_written_in_the_editor_is_kept_where_it_is_not_taken(
    host: ScriptedHost, tmp_path: Path, left: str, why: str
) -> None:
    editor = tmp_path / "editor"
    editor.write_text(f"#!/bin/sh\nprintf '%s' '{left}' > \"$1\"\n")
    editor.chmod(0o755)
    done = run("edit", "g1", VISUAL=str(editor))
    kept = Path(done.stderr.split("--plan ")[-1].strip())
    assert (done.returncode, why in done.stderr, kept.read_text()) == (2, True, left)
    shutil.rmtree(kept.parent)


def test_a_plan_that_was_not_shown_is_not_asked_about(host: ScriptedHost) -> None:
    with Terminal((CLIENT, "approve", "g1", "--json"), os.environ) as terminal:
        code = terminal.ended()
    assert code != 0
    assert "atos-client approve g1 0123456789ab" in terminal.seen
    assert "[y/N]" not in terminal.seen


def test_a_plan_is_taken_as_plan_prints_it(host: ScriptedHost, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text(json.dumps({"plan": PLAN, "notes": [], "engine": "ollama"}))
    assert run("edit", "g1", "--plan", str(file)).returncode == 0
    assert host.calls[-1] == ("edit_plan", {"goal_id": "g1", "plan": PLAN})


def test_a_plan_is_replaced_by_a_file(host: ScriptedHost, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text(json.dumps({"tasks": [{"title": "Add"}]}))
    assert run("edit", "g1", "--plan", str(file)).returncode == 0
    assert host.calls[-1] == ("edit_plan", {"goal_id": "g1", "plan": {"tasks": [{"title": "Add"}]}})


def test_a_note_and_limits_reach_the_goal(host: ScriptedHost) -> None:
    noted = run("note", "g1", "Use only the standard library.")
    limited = run("limits", "g1", "--minutes", "2.5", "--calls", "40")
    assert (noted.returncode, limited.returncode) == (0, 0)
    assert host.calls == [
        ("note_goal", {"goal_id": "g1", "text": "Use only the standard library."}),
        ("set_limits", {"goal_id": "g1", "seconds": 150.0, "model_calls": 40}),
    ]
    assert noted.stdout == snapshot("g1 heeds it in tasks that have not begun\n")
    assert limited.stdout == snapshot("g1 goes on within these limits\n")
