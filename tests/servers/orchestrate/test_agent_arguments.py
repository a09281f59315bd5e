"""Arguments of n8n's agents: null is the default, and an item's field that is named like one does no harm."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from atos_servers.orchestrate import agent_arguments as arguments

DICT: dict[str, Any] = {"host": "n8n"}


@pytest.mark.parametrize(
    ("kind", "merged", "meant"),
    [
        (arguments.GoalId, 17, ""),
        (arguments.GoalId, DICT, ""),
        (arguments.GoalId, "order-4711", ""),
        (arguments.GoalId, " g0123456789 ", "g0123456789"),
        (arguments.TaskId, "task", ""),
        (arguments.TaskId, "T2", "T2"),
        (arguments.Key, DICT, ""),
        (arguments.Key, 17, "17"),
        (arguments.File, ["a"], ""),
        (arguments.Pool, DICT, "auto"),
        (arguments.Pool, "Gold", "auto"),
        (arguments.Examples, DICT, []),
        (arguments.Examples, '["f(1) == 2"]', ["f(1) == 2"]),
    ],
)
def test_a_webhooks_field_that_is_named_like_an_argument_does_no_harm(
    kind: Any, merged: Any, meant: Any
) -> None:
    assert TypeAdapter(kind).validate_python(merged) == meant


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
)


@given(value=ANYTHING.filter(lambda value: value is not None))
def test_an_id_that_is_merged_in_is_an_id_or_left_out(value: Any) -> None:
    goal = TypeAdapter(arguments.GoalId).validate_python(value)
    task = TypeAdapter(arguments.TaskId).validate_python(value)
    assert goal == "" or goal[0] in "gk"
    assert task == "" or task[0] == "T"
