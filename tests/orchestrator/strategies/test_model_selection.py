"""Who may work on a goal: pure decisions over the pools that the scheduler has."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from inline_snapshot import snapshot

from atos_orchestrator.strategies.registry import STRATEGIES, select_models, strategy_named
from atos_orchestrator.strategies.strategy import ModelChoice
from atos_protocol.errors import BadRequestError, NoModelError, OutOfScopeError
from atos_protocol.scheduler_api import Pool
from doubles.pool_scheduler import GENERAL, MINI, MINI_POOL, NOTHING, POOLS

ADD = "add two numbers"


def pools(members: Mapping[str, Sequence[str]]) -> list[Pool]:
    return [
        Pool(name, 4096, 512, True, True, "chat", tuple(members.get(name, ())), ("qwen2.5:7b",))
        for name in POOLS
    ]


def test_general_models_are_preferred_even_for_what_atos_mini_can_do() -> None:
    assert select_models(ADD, pools(GENERAL)) == ModelChoice(
        "general", "", ("qwen2.5:3b", "qwen2.5:1.5b")
    )


def test_atos_mini_works_alone_and_is_announced() -> None:
    choice = select_models(ADD, pools(MINI))

    assert (choice.strategy, choice.engine, choice.models) == ("mini", "llama_cpp", ("atos-mini",))
    assert "atos-mini" in choice.announcement


def test_planning_without_anybody_to_write_code_is_not_enough() -> None:
    with pytest.raises(OutOfScopeError):
        select_models(
            "build a shop", pools({"orchestrator": ["qwen2.5:3b"], MINI_POOL: ["atos-mini"]})
        )


def test_no_model_at_all_is_told_apart_from_a_goal_out_of_scope() -> None:
    with pytest.raises(NoModelError) as nothing:
        select_models(ADD, pools(NOTHING))

    assert not isinstance(nothing.value, OutOfScopeError)
    assert "atos-client models pull" in nothing.value.next_step


def test_a_model_that_is_here_and_can_not_be_used_is_named_with_the_reason() -> None:
    missing = ("qwen2.5:7b: is not installed", "gemma3-270m: has no chat template")
    empty = [Pool(n, 4096, 512, True, True, "chat", (), missing) for n in ("simple", "medium")]
    mini = Pool(MINI_POOL, 4096, 512, True, True, "chat", ("atos-mini",))

    with pytest.raises(NoModelError, match=r"do this \(gemma3-270m: has no chat template\) "):
        select_models("build a shop", empty)
    with pytest.raises(
        OutOfScopeError, match=r"is here \(gemma3-270m: has no chat template\), and"
    ):
        select_models("build a shop", [*empty, mini])


def test_a_pool_that_is_needed_names_what_would_fill_it() -> None:
    with pytest.raises(NoModelError) as refused:
        select_models(ADD, pools(GENERAL), needs=["complex"])

    assert refused.value.to_wire() == snapshot(
        {
            "code": "no_model",
            "message": "pool complex has no model",
            "next": "Install one of: qwen2.5:7b.",
            "status": 404,
            "retry": False,
            "data": {},
        }
    )


def test_a_toolkit_is_not_a_single_task_for_atos_mini() -> None:
    toolkit = "Build a text toolkit: count words, reverse a string"
    mini = strategy_named("mini")

    assert mini.single_task_plan(ADD, "auto", select_models(ADD, pools(MINI)).scope) is None
    with pytest.raises(BadRequestError):
        mini.single_task_plan(toolkit, "auto", select_models(toolkit, pools(MINI)).scope)


def test_a_single_task_of_general_models_is_one_file_in_the_pool_that_was_asked_for() -> None:
    plan = strategy_named("general").single_task_plan("Sum a list\nof prices", "complex", None)

    assert plan == snapshot(
        {
            "tasks": [
                {
                    "id": "T1",
                    "title": "Sum a list",
                    "kind": "code",
                    "contract": """\
Sum a list
of prices\
""",
                    "files": ["sum_list_prices.py"],
                    "signatures": [],
                    "examples": [],
                    "errors": [],
                    "packages": [],
                    "complexity": "complex",
                }
            ]
        }
    )


def test_every_strategy_is_found_by_the_name_that_a_goals_input_stores() -> None:
    assert {name: strategy_named(name).name for name in STRATEGIES} == snapshot(
        {"general": "general", "mini": "mini"}
    )


def test_only_the_registry_knows_the_strategy_of_atos_mini() -> None:
    package = Path(__file__).parents[3] / "orchestrator" / "atos_orchestrator"
    outside = [p for p in package.rglob("*.py") if "strategies/mini" not in p.as_posix()]
    texts = {str(path.relative_to(package)): path.read_text() for path in outside}

    assert [name for name, text in texts.items() if re.search("[\"']mini[\"']", text)] == []
    assert [name for name, text in texts.items() if "strategies.mini" in text] == [
        "strategies/registry.py"
    ]
