"""The dialect: prompts from what is wanted, replies read strictly."""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inline_snapshot import snapshot

from atos_mini_training.corpus import HELD_OUT_TEMPLATES, TEMPLATES, Example, example
from atos_orchestrator.strategies.mini import catalogue, dialect
from atos_orchestrator.strategies.mini.dialect import Answer, ReplyError
from atos_orchestrator.strategies.mini.pipelines import HELD_OUT
from atos_orchestrator.strategies.mini.scope import Scope, check, wanted
from doubles.mini_plan import parse_plan


def scope_of(goal: str) -> Scope:
    found = check(goal)
    assert isinstance(found, Scope)
    return found


def test_prompts_are_canonical_wordings() -> None:
    scope = scope_of("Build a toolkit: word counter, please flip a string")

    prompts = [dialect.plan_messages(scope), *map(dialect.code_messages, scope.wanted)]

    assert prompts == snapshot(
        [
            [
                {
                    "role": "user",
                    "content": 'Plan:\n1:"count the words in a string"\n2:"reverse a string"',
                }
            ],
            [{"role": "user", "content": "Write a Python function to count the words in a string"}],
            [{"role": "user", "content": "Write a Python function to reverse a string"}],
        ]
    )


def test_the_answers_that_the_model_learns_are_read_back_whole() -> None:
    scope = scope_of("Build a text toolkit: count words, reverse a string")

    plan = parse_plan(dialect.plan_reply(scope.wanted))
    answer = dialect.parse_code(dialect.code_reply(catalogue.function(scope.wanted[1])))

    assert plan == snapshot(
        {
            "tasks": [
                {
                    "id": 1,
                    "title": "count the words in a string",
                    "files": ["count_words.py"],
                    "depends_on": [],
                },
                {
                    "id": 2,
                    "title": "reverse a string",
                    "files": ["reverse_string.py"],
                    "depends_on": [],
                },
            ]
        }
    )
    assert answer == snapshot(
        Answer(
            code="def reverse_string(text):\n    return text[::-1]\n",
            own_tests="""\
from reverse_string import reverse_string


def test_reverse_string():
    assert reverse_string('abc') == 'cba'
    assert reverse_string('hello world') == 'dlrow olleh'
""",
        )
    )


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        ("", "the reply"),
        ("no plan", "the reply"),
        ("[]", "the reply"),
        ('{"tasks":[]}', "tasks"),
        ('{"tasks":[{"id":1,"title":"x","files":["x.py"]}]}', "tasks.0.depends_on"),
        ('{"tasks":[{"id":"1","title":"x","files":["x.py"],"depends_on":[]}]}', "tasks.0.id"),
        ('{"tasks":[{"id":1,"title":"x","files":[],"depends_on":[]}]}', "tasks.0.files"),
    ],
)
def test_a_plan_of_another_shape_is_an_error_that_names_the_place(reply: str, says: str) -> None:
    with pytest.raises(ReplyError, match=says):
        parse_plan(reply)


@pytest.mark.parametrize(
    "reply", ["", "def add(a, b): return a + b", "```python\ndef add(a, b):", "```python\n\n```"]
)
def test_code_without_a_closed_fence_is_an_error(reply: str) -> None:
    with pytest.raises(ReplyError, match="fence"):
        dialect.parse_code(reply)


def test_code_without_tests_is_an_answer_without_tests() -> None:
    assert dialect.parse_code("```python\nx = 1\n```") == Answer("x = 1\n", None)


@settings(deadline=None)
@given(st.text())
def test_any_reply_is_read_or_refused(reply: str) -> None:
    for parse in (parse_plan, dialect.parse_code):
        try:
            parse(reply)
        except ReplyError:
            continue


def test_the_schema_is_bounded_and_has_no_references() -> None:
    text = json.dumps(dialect.PLAN_SCHEMA)

    assert "$ref" not in text
    assert "null" not in text
    assert text.count('"maxItems"') == text.count('"array"')
    assert text.count('"maxLength"') == text.count('"string"')


def test_every_reply_and_prompt_fits_the_context() -> None:
    titles = sorted(
        (wanted(f, 100 if f.numbers else None) for f in catalogue.families()), key=_size
    )
    longest = tuple(titles[-6:])

    plan = dialect.plan_prompt(Scope("toolkit", longest)) + dialect.plan_reply(longest)

    # The tokenizer needs one token for three characters of this text; two is a safe bound.
    assert len(plan) / 2 < dialect.CONTEXT_TOKENS
    assert max(len(one.wording) for one in titles) <= 100


def test_the_corpus_is_the_same_for_the_same_seed() -> None:
    first, second = (
        [example(random.Random(5), "train") for _ in range(3)],
        [example(random.Random(5), "train") for _ in range(3)],
    )

    assert first == second


def test_held_out_templates_and_combinations_stay_out_of_training() -> None:
    rng = random.Random(1)
    seen: list[Example] = [example(rng, "train") for _ in range(3000)]

    assert not set(HELD_OUT_TEMPLATES) & set(TEMPLATES)
    assert not any(one.family in HELD_OUT for drawn in seen for one in drawn.wanted)
    assert all(example(rng, "combinations").wanted[0].family in HELD_OUT for _ in range(50))


def _size(one: object) -> int:
    return len(repr(one))
