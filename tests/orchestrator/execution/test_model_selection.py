"""Who may work on a goal: pure decisions over the pools that the scheduler has."""

from collections.abc import Mapping, Sequence

import pytest
from inline_snapshot import snapshot

from atos_orchestrator.execution.model_selection import ModelChoice, choose, one_task
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
    assert choose(ADD, pools(GENERAL)) == ModelChoice("general", "", ("qwen2.5:3b", "qwen2.5:1.5b"))


def test_atos_mini_works_alone_and_is_announced() -> None:
    choice = choose(ADD, pools(MINI))

    assert (choice.profile, choice.engine, choice.models) == ("mini", "llama_cpp", ("atos-mini",))
    assert "atos-mini" in choice.announcement


def test_planning_without_anybody_to_write_code_is_not_enough() -> None:
    with pytest.raises(OutOfScopeError):
        choose("build a shop", pools({"orchestrator": ["qwen2.5:3b"], MINI_POOL: ["atos-mini"]}))


def test_no_model_at_all_is_told_apart_from_a_goal_out_of_scope() -> None:
    with pytest.raises(NoModelError) as nothing:
        choose(ADD, pools(NOTHING))

    assert not isinstance(nothing.value, OutOfScopeError)
    assert "ollama pull qwen2.5:3b" in nothing.value.next_step


def test_a_pool_that_is_needed_names_what_would_fill_it() -> None:
    with pytest.raises(NoModelError) as refused:
        choose(ADD, pools(GENERAL), needs=["complex"])

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


def test_a_toolkit_is_no_single_task_for_atos_mini() -> None:
    toolkit = "Build a text toolkit: count words, reverse a string"

    one_task(ADD, choose(ADD, pools(MINI)))
    with pytest.raises(BadRequestError):
        one_task(toolkit, choose(toolkit, pools(MINI)))
