"""Schemas: refused before the call where they can't be kept, and replies judged after it."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from atos_protocol.errors import BadRequestError, EngineError
from atos_scheduler.engines.schema import breach, parse, prepare
from atos_scheduler.engines.simulated import smallest

PLAN = {
    "title": "Plan",
    "$defs": {
        "Task": {
            "type": "object",
            "properties": {
                "id": {"type": "string", "maxLength": 8, "title": "Id"},
                "size": {"enum": ["simple", "complex"]},
            },
            "required": ["id", "size"],
        }
    },
    "type": "object",
    "properties": {
        "tasks": {"type": "array", "items": {"$ref": "#/$defs/Task"}, "maxItems": 4},
        "note": {"anyOf": [{"type": "string", "maxLength": 20}, {"type": "null"}]},
    },
    "required": ["tasks"],
}

Schema = dict[str, Any]
Schemas = st.SearchStrategy[Schema]
names = st.text(max_size=4)


def bounded(kind: str, bound: str, lowest: int) -> Schemas:
    return st.fixed_dictionaries({"type": st.just(kind), bound: st.integers(lowest, 12)})


def arrays(items: Schemas) -> Schemas:
    bounds = {"minItems": st.integers(0, 2), "maxItems": st.integers(2, 4)}
    return st.fixed_dictionaries({"type": st.just("array"), "items": items, **bounds})


def objects(inner: Schemas) -> Schemas:
    def make(properties: dict[str, Schema]) -> Schema:
        return {"type": "object", "properties": properties, "required": sorted(properties)[:1]}

    return st.dictionaries(names, inner, max_size=3).map(make)


def any_of(inner: Schemas) -> Schemas:
    return st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=3)})


schemas: Schemas = st.recursive(
    st.one_of(
        bounded("string", "maxLength", 0),
        bounded("integer", "minimum", -5),
        st.sampled_from([{"type": "boolean"}, {"type": "null"}]),
        st.fixed_dictionaries({"enum": st.lists(names, min_size=1, max_size=3)}),
    ),
    lambda inner: st.one_of(arrays(inner), objects(inner), any_of(inner)),
    max_leaves=6,
)

values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | names,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner)),
    max_leaves=6,
)


def test_references_are_resolved_and_objects_closed() -> None:
    assert prepare(PLAN) == snapshot(
        {
            "type": "object",
            "properties": {
                "tasks": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "id": {"type": "string", "maxLength": 8},
                            "size": {"enum": ["simple", "complex"]},
                        },
                        "required": ["id", "size"],
                        "additionalProperties": False,
                    },
                    "maxItems": 4,
                },
                "note": {"anyOf": [{"type": "string", "maxLength": 20}, {"type": "null"}]},
            },
            "required": ["tasks"],
            "additionalProperties": False,
        }
    )


@given(schemas)
def test_the_smallest_value_of_any_schema_keeps_it(schema: dict[str, Any]) -> None:
    prepared = prepare(schema)
    assert breach(smallest(prepared), prepared) == ""
    assert prepare(prepared) == prepared


@given(schemas, values)
def test_judging_any_value_by_any_schema_never_fails(schema: dict[str, Any], value: Any) -> None:
    assert isinstance(breach(value, prepare(schema)), str)


@given(values)
def test_preparing_anything_succeeds_or_is_a_bad_request(value: Any) -> None:
    with contextlib.suppress(BadRequestError):
        assert prepare({"type": "object", "properties": {"x": value}})["type"] == "object"


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({}, "type must be one of"),
        ({"type": ["string", "null"]}, "type must be one of"),
        ({"type": "string"}, "needs maxLength"),
        ({"type": "string", "maxLength": 3, "pattern": "("}, "pattern can't be read"),
        ({"type": "string", "maxLength": 3, "format": "email"}, "'format' is not supported"),
        ({"type": "array", "items": {"type": "null"}}, "needs items and maxItems"),
        ({"type": "object"}, "needs properties"),
        ({"type": "object", "properties": {}, "additionalProperties": True}, "only be false"),
        ({"type": "object", "properties": {}, "required": ["x"]}, "names from properties"),
        ({"enum": []}, "not empty"),
        ({"$ref": "#/$defs/Nobody"}, "leads nowhere"),
        ({"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}}, "recursive"),
        ({"anyOf": [{"type": "null"}], "type": "null"}, "stands alone"),
    ],
)
def test_what_can_not_be_kept_is_refused_with_its_place(schema: dict[str, Any], why: str) -> None:
    with pytest.raises(BadRequestError, match=why):
        prepare(schema)


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        ('{"tasks": []', "not JSON"),
        ("{}", r"\$: 'tasks' is a required property"),
        ('{"tasks": [], "extra": 1}', "'extra' was unexpected"),
        ('{"tasks": [{"id": "T1", "size": "huge"}]}', r"tasks\[0\].size: 'huge' is not one of"),
        (
            '{"tasks": [{"id": "T1234567890", "size": "simple"}]}',
            r"tasks\[0\].id: 'T1234567890' is too long",
        ),
        ('{"tasks": [], "note": 7}', r"\$.note: 7 is not valid under any"),
        ('{"tasks": [1, 1, 1, 1, 1]}', r"\$.tasks: \[1, 1, 1, 1, 1\] is too long"),
    ],
)
def test_a_reply_that_breaks_the_schema_is_an_engine_error(reply: str, problem: str) -> None:
    with pytest.raises(EngineError, match=problem):
        parse(reply, prepare(PLAN))


def test_a_reply_that_keeps_the_schema_is_returned() -> None:
    plan = {"tasks": [{"id": "T1", "size": "simple"}], "note": None}
    assert parse(json.dumps(plan), prepare(PLAN)) == plan


def test_true_is_no_integer_and_one_is_not_true() -> None:
    assert breach(True, {"type": "integer"}) == "$: True is not of type 'integer'"
    assert breach(1, {"enum": [True]}) == "$: 1 is not one of [True]"


def test_a_long_reply_is_not_quoted_in_the_error() -> None:
    assert breach("x" * 500, {"type": "string", "maxLength": 9}) == "$: breaks maxLength 9"
