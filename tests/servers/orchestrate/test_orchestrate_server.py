"""The orchestrate server over a real database, with a scheduler that only has pools to show."""

import json
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from fastmcp import Client
from fastmcp.client.elicitation import ElicitResult
from fastmcp.exceptions import ToolError
from inline_snapshot import snapshot
from mcp import MCPError
from mcp.types import INVALID_PARAMS, TextResourceContents

from atos_orchestrator.execution import goal_intake, plan_requests
from atos_orchestrator.execution.database import open_database
from atos_orchestrator.execution.dbos_client import DbosClient
from atos_orchestrator.execution.event_store import EventStore
from atos_orchestrator.planning.brief import Brief
from atos_protocol.settings import load_settings
from atos_servers.host.connection import Connection, connected
from atos_servers.host.services import Services
from atos_servers.host.tool_middleware import ToolMiddleware
from atos_servers.orchestrate.server import build
from doubles.pool_scheduler import GENERAL, MINI, NOTHING, PoolScheduler

pytestmark = pytest.mark.usefixtures("atos_home")

ADD = "Write a Python function to add two numbers"
TOLD: list[dict[str, Any]] = []


@asynccontextmanager
async def served(pools: Mapping[str, Sequence[str]] = MINI) -> AsyncGenerator[Client[Any]]:
    settings = load_settings()
    TOLD.clear()

    async def notify(message: dict[str, Any]) -> None:
        TOLD.append(message)

    server = build(Services(settings, notify))
    server.add_middleware(ToolMiddleware(server))
    async with PoolScheduler(settings, pools), Client(server) as client:
        yield client


async def call(client: Client[Any], tool: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert result.structured_content is not None
    return result.structured_content


async def argument_of(client: DbosClient, run: str) -> dict[str, Any]:
    """Return the goal's input as the worker will get it."""
    dbos: Any = client._client  # pyright: ignore[reportPrivateUsage]
    return dbos.list_workflows(workflow_ids=[run], load_input=True)[0].input["args"][0]


def events_of(goal: str) -> EventStore:
    store = EventStore(open_database(load_settings()))
    assert store.read(goal)
    return store


async def test_a_goal_is_accepted_queued_and_the_worker_is_woken() -> None:
    async with served() as client:
        view = await call(client, "start_goal", goal=f"  {ADD} ")
        listed = await call(client, "list_goals")

    assert (view["state"], view["goal"], view["error"], view["uid"]) == ("queued", ADD, {}, -1)
    assert [goal["id"] for goal in listed["goals"]] == [view["id"]]
    assert TOLD == [{"op": "wake"}]


async def refused(client: Client[Any], tool: str, **arguments: Any) -> str:
    """Call a tool that must refuse and leave no goal behind."""
    with pytest.raises(ToolError) as caught:
        await client.call_tool(tool, arguments)
    assert (await call(client, "list_goals"))["goals"] == []
    return str(caught.value)


async def test_a_goal_outside_the_catalogue_is_refused_with_what_to_do() -> None:
    async with served() as client:
        said = await refused(client, "start_goal", goal="Build a price-tracking SaaS")

    assert said == snapshot(
        "out_of_scope: only the demonstration model atos-mini is here, and this goal is not in the catalogue of atos-mini Next: Fetch a model: `atos-client models pull` takes the best one for this machine. Or write ATOS_GGUF=FILE, or ATOS_OPENAI_URL=URL of an OpenAI-compatible server, into ~/.atos/.env and run `atos-client down`. Then ask again. atos-mini itself can, for example: add two numbers; subtract two numbers; multiply two numbers."
    )


async def test_without_any_model_a_goal_is_refused_with_what_to_do() -> None:
    async with served(NOTHING) as client:
        said = await refused(client, "start_goal", goal=ADD)

    assert said == snapshot(
        "no_model: no model is installed that could do this Next: Fetch a model: `atos-client models pull` takes the best one for this machine. Or write ATOS_GGUF=FILE, or ATOS_OPENAI_URL=URL of an OpenAI-compatible server, into ~/.atos/.env and run `atos-client down`. Then ask again."
    )


async def test_general_models_take_what_atos_mini_can_not() -> None:
    async with served(GENERAL) as client:
        view = await call(client, "start_goal", goal="Build a price-tracking SaaS")

    assert view["state"] == "queued"


async def test_a_pool_that_is_asked_for_must_have_a_model() -> None:
    async with served(GENERAL) as client:
        said = await refused(client, "run_task", task=ADD, pool="complex")

    assert said.startswith("no_model: pool complex has no model")


@pytest.mark.parametrize(
    "goal",
    ["", " \n", "x" * 100_000, "add \x00 two"],
    ids=["empty", "blank", "100 kB", "control character"],
)
async def test_what_is_no_goal_is_refused_before_anything_is_asked(goal: str) -> None:
    async with served() as client:
        assert (await refused(client, "start_goal", goal=goal)).startswith("bad_request: ")


async def test_examples_and_tests_go_with_the_goal() -> None:
    tests = "from sums import add\n\ndef test_add():\n    assert add(1, 2) == 3\n"
    async with served(GENERAL) as client:
        examples = ["assert add(1, 2) == 3", " assert add(0, 0) == 0"]
        first = await call(client, "start_goal", goal=ADD, examples=examples)
        second = await call(client, "verified_code", spec=ADD, tests=tests, examples=[], wait_s=0)
        client_ = DbosClient(open_database(load_settings()))
        given = {run: await argument_of(client_, run) for run in (first["id"], second["id"])}

    assert [(g["examples"], g["tests"]) for g in given.values()] == [
        (["assert add(1, 2) == 3", "assert add(0, 0) == 0"], ""),
        ([], tests),
    ]
    assert given[second["id"]]["plan"]["tasks"][0]["files"] == ["sums.py"]
    assert second["state"] == "queued"


USELESS: list[tuple[dict[str, Any], str]] = [
    ({"examples": ["assert f(1) == 2", "f is fast"]}, "example 2 ('f is fast'): "),
    ({"examples": ["assert f(1) == 2"] * 51}, "51 examples were given; at most 50 fit"),
    ({"examples": ["assert f() == " + "'" * 5000]}, "it is longer than 4000 bytes"),
    ({"tests": "def test_f(:"}, "the file of tests is not Python: "),
    ({"tests": "x = 1"}, "no function whose name begins with `test`"),
    ({"tests": f"def test_f(): '{'x' * 70_000}'"}, "at most 65536 fit"),
    ({"tests": "def test_f(): f()", "plan": {"tasks": [{}]}}, "either a plan or tests"),
]


@pytest.mark.parametrize(("given", "said"), USELESS, ids=[said for _, said in USELESS])
async def test_what_is_no_example_and_no_test_is_refused_with_its_number_and_text(
    given: dict[str, Any], said: str
) -> None:
    async with served(GENERAL) as client:
        assert said in await refused(client, "start_goal", goal=ADD, **given)


async def test_atos_mini_says_that_it_does_not_use_examples() -> None:
    async with served() as client:
        goal = await call(client, "start_goal", goal=ADD, examples=["assert add(1, 2) == 3"])
        given = await argument_of(DbosClient(open_database(load_settings())), goal["id"])

    assert given["examples"] == []
    assert given["announcement"].endswith("are not used: this model has tests of its own.")


async def test_a_goal_is_checked_without_being_started() -> None:
    async with served(GENERAL) as client:
        general = await call(client, "check_goal", goal="Write f(x)")
        listed = await call(client, "list_goals")

    assert (general["models"], general["refusal"]) == (["qwen2.5:3b", "qwen2.5:1.5b"], {})
    assert (general["wants_example"], general["language"]) == (True, "python")
    assert (listed["goals"], TOLD) == ([], [])


async def test_a_check_tells_why_no_model_can_and_asks_atos_minis_user_for_nothing() -> None:
    async with served() as client:
        outside = await call(client, "check_goal", goal="Build a price-tracking SaaS")
        inside = await call(client, "check_goal", goal=ADD)

    assert (outside["refusal"]["code"], outside["models"]) == ("out_of_scope", [])
    assert (inside["models"], inside["wants_example"]) == (["atos-mini"], False)


def brief_of_a_page(_: str) -> Brief:
    return Brief(language="javascript")


async def test_what_can_not_be_proven_is_said_before_and_at_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(goal_intake, "read_brief", brief_of_a_page)
    async with served(GENERAL) as client:
        checked = await call(client, "check_goal", goal="Write a web page")
        goal = await call(client, "start_goal", goal="Write a web page")
        given = await argument_of(DbosClient(open_database(load_settings())), goal["id"])

    assert checked["warning"].startswith("This asks for javascript.")
    assert checked["wants_example"] is False
    assert given["announcement"] == checked["warning"]


async def test_a_goal_that_runs_can_not_be_answered() -> None:
    async with served() as client:
        goal = (await call(client, "start_goal", goal=ADD))["id"]
        for tool, given in (
            ("answer_question", {"task_id": "T1", "answer": "1"}),
            ("submit_fix", {"task_id": "T1", "files": {"a.py": ""}}),
            ("retry_goal", {}),
        ):
            with pytest.raises(ToolError, match=r"conflict: .* Next: Follow it: atos-client watch"):
                await client.call_tool(tool, {"goal_id": goal, **given})


async def test_a_goal_whose_run_left_no_record_says_to_start_again() -> None:
    async with served() as client:
        goal = (await call(client, "start_goal", goal=ADD))["id"]
        store = events_of(goal)
        await DbosClient(open_database(load_settings())).cancel(goal)
        store.append(goal, "goal_finished", {"state": "failed"}, key="f")
        with pytest.raises(ToolError, match=r"conflict: .* left no record .* Start the goal again"):
            await client.call_tool("retry_goal", {"goal_id": goal})


async def test_a_place_that_can_not_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    with connected(Connection("cli")):
        async with served() as client:
            full = await refused(client, "start_goal", goal=ADD, into=str(tmp_path / "full"))
            file = await refused(client, "start_goal", goal=ADD, into=str(tmp_path / "file" / "x"))
            near = await refused(client, "start_goal", goal=ADD, into="relative")

    assert "is not empty and not a git repository" in full
    assert "is not a folder" in file
    assert "is not an absolute path" in near


async def test_the_place_is_the_callers_to_name_only_where_it_may_write(tmp_path: Path) -> None:
    place = tmp_path / "repository"
    async with served() as client:
        over_http = await refused(client, "start_goal", goal=ADD, into=str(place))
    with connected(Connection("shim", (tmp_path,))):
        async with served() as client:
            (tmp_path / "link").symlink_to(tmp_path)
            goal = await call(client, "start_goal", goal=ADD, into=f"{tmp_path}/link/repository")
            given = await argument_of(DbosClient(open_database(load_settings())), goal["id"])

    assert f"{place} lies outside {load_settings().workspaces}" in over_http
    assert given["into"] == str(place)


async def test_the_annotations_say_which_tools_replace_or_end_something() -> None:
    async with served() as client:
        hints = {t.name: t.annotations for t in await client.list_tools()}

    assert sorted(name for name, hint in hints.items() if hint and hint.destructive_hint) == [
        "cancel_goal",
        "edit_plan",
        "submit_fix",
    ]
    assert sorted(name for name, hint in hints.items() if hint and hint.read_only_hint) == [
        "aggregate_results", "check_goal", "get_goal", "get_plan", "get_task", "list_goals", "plan_goal", "wait_goal",
    ]  # fmt: skip


async def test_a_plan_that_is_none_is_refused() -> None:
    async with served() as client:
        said = await refused(client, "start_goal", goal=ADD, plan={"steps": []})

    assert said.startswith("bad_request: a plan has between 1 and")


async def test_the_same_key_gives_the_same_task_and_another_text_is_a_conflict() -> None:
    async with served() as client:
        first = await call(client, "run_task", task=ADD, key="n8n-1")
        second = await call(client, "run_task", task=ADD, key="n8n-1")
        with pytest.raises(ToolError) as caught:
            await client.call_tool("run_task", {"task": "reverse a string", "key": "n8n-1"})
        listed = await call(client, "list_goals")

    assert first["id"] == second["id"]
    assert str(caught.value).startswith("conflict: the key 'n8n-1' belongs to goal")
    assert len(listed["goals"]) == 1


async def test_the_same_key_starts_one_goal_however_often_it_is_sent() -> None:
    async with served() as client:
        first = await call(client, "start_goal", goal=ADD, key="host-1")
        second = await call(client, "start_goal", goal=ADD, key="host-1")
        with pytest.raises(ToolError) as caught:
            await client.call_tool("start_goal", {"goal": "reverse a string", "key": "host-1"})
        listed = await call(client, "list_goals")

    assert first["id"] == second["id"]
    assert str(caught.value).startswith("conflict: the key 'host-1' belongs to goal")
    assert len(listed["goals"]) == 1


async def test_a_toolkit_is_no_single_task() -> None:
    async with served() as client:
        said = await refused(
            client, "run_task", task="Build a text toolkit: count words, reverse a string"
        )

    assert said.startswith("bad_request: this is a goal of 2 tasks")


async def test_waiting_returns_news_at_once_and_else_when_the_time_is_up() -> None:
    async with served() as client:
        goal = (await call(client, "start_goal", goal=ADD))["id"]
        news = await call(client, "wait_goal", goal_id=goal, detail="events")
        begun = time.monotonic()
        nothing = await call(
            client, "wait_goal", goal_id=goal, after_seq=news["seq"], timeout_s=1, detail="events"
        )
        took = time.monotonic() - begun

    assert [event["kind"] for event in news["events"]] == ["goal_submitted"]
    assert (nothing["events"], nothing["seq"]) == ([], news["seq"])
    assert 0.9 < took < 5


async def test_a_cancelled_goal_is_over_for_everybody_and_the_worker_is_notified() -> None:
    async with served() as client:
        goal = (await call(client, "start_goal", goal=ADD))["id"]
        events = events_of(goal)
        plan = {"tasks": [{"id": "T1", "title": "Add", "complexity": "simple"}], "notes": []}
        events.append(goal, "plan_ready", plan, key="goal:plan_ready:plan")
        view = await call(client, "cancel_goal", goal_id=goal)
        again = await call(client, "cancel_goal", goal_id=goal)
        news = await call(client, "wait_goal", goal_id=goal, after_seq=view["seq"], detail="events")

    assert (view["state"], view["tasks"][0]["state"]) == ("cancelled", "cancelled")
    assert again == view == news["goal"]
    assert {"op": "cancel", "goal": goal, "revision": 1} in TOLD


async def test_a_goal_is_paused_and_resumed_and_the_worker_is_told_of_both() -> None:
    async with served() as client:
        goal = (await call(client, "start_goal", goal=ADD))["id"]
        paused = await call(client, "pause_goal", goal_id=goal)
        look = await client.call_tool("wait_goal", {"goal_id": goal, "timeout_s": 0})
        resumed = await call(client, "resume_goal", goal_id=goal)
        await call(client, "cancel_goal", goal_id=goal)
        with pytest.raises(ToolError) as refusal:
            await client.call_tool("resume_goal", {"goal_id": goal})

    assert (paused["state"], resumed["state"]) == ("paused", "queued")
    assert (look.structured_content or {})["final"] is False
    assert [told for told in TOLD if told.get("goal") == goal][:2] == [
        {"op": "pauses", "goal": goal}
    ] * 2
    assert str(refusal.value).startswith(
        f"conflict: goal {goal} ended as cancelled: it can't be resumed"
    )


async def test_goals_are_listed_page_by_page_newest_first() -> None:
    async with served() as client:
        ids = [(await call(client, "start_goal", goal=ADD))["id"] for _ in range(3)]
        first = await call(client, "list_goals", limit=2)
        second = await call(client, "list_goals", limit=2, cursor=first["cursor"])

    assert [goal["id"] for goal in first["goals"] + second["goals"]] == ids[::-1]
    assert second["cursor"] == ""


async def test_results_are_counted_over_goals() -> None:
    async with served() as client:
        ids = [(await call(client, "start_goal", goal=ADD))["id"] for _ in range(2)]
        store = events_of(ids[0])
        plan = {"tasks": [{"id": "T1", "title": "Add", "complexity": "simple"}]}
        store.append(ids[0], "plan_ready", plan, key="p")
        done = {"state": "done", "proof": "agreed"}
        done["evidence"] = "7 assertions that 4 of 5 candidates pass"
        store.append(ids[0], "task_done", done, key="d", task="T1")
        store.append(ids[0], "goal_verified", {"passed": 3, "failed": 0}, key="v")
        store.append(ids[0], "goal_finished", {"state": "success"}, key="f")
        counted = await call(client, "aggregate_results", ids=ids)

    counted.pop("items")
    assert counted == {
        "not_proven": [
            f"{ids[0]}/T1: agreed, not proven: 7 assertions that 4 of 5 candidates pass"
        ],
        "ok": False,
        "done": 1,
        "pending": 1,
        "failed": 0,
        "passed_tests": 3,
        "failed_tests": 0,
    }


async def test_a_task_is_shown_with_its_events_and_its_last_failure() -> None:
    async with served() as client:
        goal = (await call(client, "start_goal", goal=ADD))["id"]
        store = events_of(goal)
        plan = {"tasks": [{"id": "T1", "title": "Add", "complexity": "simple"}]}
        store.append(goal, "plan_ready", plan, key="p")
        data = {"state": "failed", "rounds": 2, "digest": "assert 1 == 2"}
        store.append(goal, "task_done", data, key="d", task="T1")
        task = await call(client, "get_task", goal_id=goal, task_id="T1")
        with pytest.raises(ToolError, match=r"not_found: .* has no task 'T9' Next: It has: T1"):
            await client.call_tool("get_task", {"goal_id": goal, "task_id": "T9"})

    assert (task["state"], task["rounds"], task["digest"]) == ("failed", 2, "assert 1 == 2")
    assert [event["kind"] for event in task["events"]] == ["task_done"]


async def test_an_unknown_goal_says_where_to_look() -> None:
    async with served() as client:
        with pytest.raises(ToolError, match=r"not_found: .* Next: list_goals shows"):
            await client.call_tool("get_goal", {"goal_id": "nowhere"})


async def test_a_plan_that_is_asked_for_twice_at_once_is_made_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plan_requests, "PLAN_SECONDS", 0.5)
    said: list[str] = []

    async def ask(client: Client[Any]) -> None:
        with pytest.raises(ToolError) as caught:
            await client.call_tool("plan_goal", {"goal": ADD})
        said.append(str(caught.value))

    async with served() as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, client)
            tasks.start_soon(ask, client)
        runs = await DbosClient(open_database(load_settings())).list(body="plan")
        listed = await call(client, "list_goals")

    assert [text.partition(":")[0] for text in said] == ["deadline", "deadline"]
    assert (len(runs), listed["goals"]) == (1, [])


async def test_a_goal_is_a_resource_with_all_its_events() -> None:
    async with served() as client:
        goal = (await call(client, "start_goal", goal=ADD))["id"]
        (content,) = await client.read_resource(f"goal://{goal}")

    assert isinstance(content, TextResourceContents)
    told = json.loads(content.text)
    assert (told["goal"]["id"], told["events"][0]["kind"]) == (goal, "goal_submitted")


async def test_a_goals_log_and_plan_are_resources() -> None:
    async with served() as client:
        goal = (await call(client, "start_goal", goal=ADD))["id"]
        (log,) = await client.read_resource(f"goal://{goal}/log")
        (plan,) = await client.read_resource(f"goal://{goal}/plan")

    assert isinstance(log, TextResourceContents)
    assert isinstance(plan, TextResourceContents)
    assert [json.loads(line)["kind"] for line in log.text.splitlines()] == ["goal_submitted"]
    assert plan.text == "flowchart LR"


@pytest.mark.parametrize("uri", ["goal://gnone", "goal://gnone/log", "goal://gnone/plan"])
async def test_a_goal_that_is_not_there_is_a_wrong_parameter(uri: str) -> None:
    async with served() as client:
        with pytest.raises(MCPError, match="there is no goal 'gnone'") as caught:
            await client.read_resource(uri)
    assert caught.value.error.code == INVALID_PARAMS


async def test_a_model_approves_no_plan_where_the_host_can_not_ask() -> None:
    async with served() as client:
        goal = (await call(client, "start_goal", goal=ADD, review=True))["id"]
        events_of(goal).append(
            goal, "plan_review", {"digest": "0" * 12, "plan": {"tasks": []}}, key="review"
        )
        with pytest.raises(ToolError) as caught:
            await client.call_tool("approve_plan", {"goal_id": goal, "digest": "0" * 12})
    assert str(caught.value) == (
        "unauthorized: this has to come from a person, and this host has no way to ask one"
        f" Next: Have the user type: atos-client approve {goal} 000000000000"
    )


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize("says", ["accept", "decline", "unsure"])
async def test_a_person_is_asked_in_both_eras_and_anything_but_yes_is_a_no(
    says: str, mode: str
) -> None:
    asked: list[str] = []

    async def person(message: str, *_: Any) -> Any:
        asked.append(message)
        return ElicitResult(
            action="decline" if says == "decline" else "accept",
            content=None if says == "decline" else {"value": says == "accept"},
        )

    settings = load_settings()

    async def nobody(_: dict[str, Any]) -> None:
        """There is no worker here."""

    server = build(Services(settings, nobody))
    server.add_middleware(ToolMiddleware(server))
    client: Any = Client(server, elicitation_handler=person, mode=mode)
    async with PoolScheduler(settings, MINI), client:
        goal = (await call(client, "start_goal", goal=ADD, review=True))["id"]
        plan = {"tasks": [{"id": "T1", "title": "Write add.py", "files": ["add.py"]}]}
        data = {"digest": "0" * 12, "plan": plan}
        events_of(goal).append(goal, "plan_review", data, key="review")
        with pytest.raises(ToolError) as caught:
            await client.call_tool("approve_plan", {"goal_id": goal, "digest": "0" * 12})
    assert asked == [
        f"Begin to work on goal {goal} by plan 000000000000?\nT1 Write add.py [add.py]"
    ]
    # a yes reaches the goal, which nothing has planned here
    told = (
        f"goal {goal} is queued"
        if says == "accept"
        else "it was not approved or answered: the person said"
    )
    assert told in str(caught.value)


async def test_schemas_have_no_reference_and_no_null_and_tools_say_when_to_use_them() -> None:
    async with served() as client:
        tools = await client.list_tools()

    for tool in tools:
        schemas = f"{tool.input_schema} {tool.output_schema}"
        assert "$ref" not in schemas
        assert "'null'" not in schemas
        assert tool.annotations is not None
        assert len(tool.description or "") < 500
