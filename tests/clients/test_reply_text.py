"""A reply's text: begun and gone on with, begun anew, and without what the model thought."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atos.reply_text import continued, without_thought

BEGUN = "```python\ndef add(a, b):\n"
WHOLE = "```python\ndef add(a, b):\n    return a + b\n```"


@pytest.mark.parametrize(
    ("begun", "came", "whole"),
    [
        ("", "hello", "hello"),
        (BEGUN, "    return a + b\n```", WHOLE),
        (BEGUN, WHOLE, WHOLE),
        (BEGUN, "\n" + WHOLE, WHOLE),
        (BEGUN, "def add(a, b):\n    return a + b\n```", WHOLE),
        (BEGUN, "Sure:\n```py\ndef plus(a, b): ...\n```", "Sure:\n```py\ndef plus(a, b): ...\n```"),
        (BEGUN, "```\ndef plus(a, b): ...\n```", "```\ndef plus(a, b): ...\n```"),
        (
            BEGUN,
            "    pass\n```\n```python\nx = 1\n```",
            BEGUN + "    pass\n```\n```python\nx = 1\n```",
        ),
        (BEGUN, "```", BEGUN + "```"),
        (
            "```markdown\n# Add\n",
            "```sh\nrun\n```\n```",
            "```markdown\n# Add\n```sh\nrun\n```\n```",
        ),
        ("assert add(", "1, 2) == 3", "assert add(1, 2) == 3"),
        ("assert add(", "assert add(1, 2) == 3", "assert add(1, 2) == 3"),
        ("[", "[1], [2]]", "[[1], [2]]"),
    ],
)
def test_a_reply_that_starts_anew_does_not_have_its_beginning_twice(
    begun: str, came: str, whole: str
) -> None:
    assert continued(begun, came) == whole


@given(st.text(alphabet="ab(=\n ", max_size=30), st.text(alphabet="xy)1\n ", max_size=30))
def test_a_reply_that_goes_on_is_its_beginning_and_what_came(begun: str, came: str) -> None:
    assert continued(begun, came) == begun + came


@given(st.text(alphabet="ab`\n ", max_size=40), st.text(alphabet="ab`\n ", max_size=40))
def test_nothing_that_came_is_lost_but_blanks(begun: str, came: str) -> None:
    assert continued(begun, came).endswith(came.lstrip())


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        ("<think>\n\n</think>\n\nyes", "yes"),
        ("\n<think>so ```x``` is it</think>yes", "yes"),
        ("it is so</think>\nyes", "yes"),
        ("<think>it never ends", ""),
        ("```python\nx = '</think>'\n```", "```python\nx = '</think>'\n```"),
        ("a <think> in the middle", "a <think> in the middle"),
    ],
)
def test_what_a_model_thought_is_not_part_of_its_reply(reply: str, text: str) -> None:
    assert without_thought(reply) == text
