"""Whole files out of replies, as small models really write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atos_orchestrator.agents.replies import ReplyError, read_files

CODE = "def f():\n    return 1\n"


@pytest.mark.parametrize(
    "reply",
    [
        f"```python a.py\n{CODE}```",
        f"```python path=a.py\n{CODE}```",
        f"```a.py\n{CODE}```",
        f"Sure! Here you go:\n\n**a.py**\n\n```python\n{CODE}```\nHope this helps.",
        f"### `./a.py`\n```py\n{CODE}```",
        f"```\n{CODE}```",
        f"  ```python\n{CODE}  ```",
        f"````python a.py\n{CODE}````",
        f"```python b.py\nx = 1\n```\n```python a.py\n{CODE}```",
        f"```python a.py\n{CODE}```\nOr shorter:\n```python a.py\nf = int\n```",
    ],
)
def test_the_file_is_found_however_its_fence_is_labelled(reply: str) -> None:
    assert read_files(reply, ["a.py"]) == {"a.py": CODE}


def test_a_path_in_the_first_comment_labels_the_fence_and_stays_in_the_file() -> None:
    reply = f"```python\n# pkg/a.py\n{CODE}```\n```python\n# pkg/b.py\nx = 2\n```"

    assert read_files(reply, ["pkg/b.py", "pkg/a.py"]) == {
        "pkg/b.py": "# pkg/b.py\nx = 2\n",
        "pkg/a.py": f"# pkg/a.py\n{CODE}",
    }


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        ("Just add the numbers.", "no closed fence with the whole file a.py"),
        (f"```python a.py\n{CODE}", "ends inside a fence"),
        ("```python a.py\n\n```", "no closed fence"),
        (f"```python b.py\n{CODE}```", "no closed fence with the whole file a.py"),
    ],
)
def test_a_file_that_is_not_whole_is_an_error_that_says_so(reply: str, says: str) -> None:
    with pytest.raises(ReplyError, match=says):
        read_files(reply, ["a.py"])


def test_unlabelled_fences_can_not_be_told_apart_for_two_files() -> None:
    with pytest.raises(ReplyError, match=r"b\.py|a\.py"):
        read_files(f"```\n{CODE}```\n```\n{CODE}```", ["a.py", "b.py"])


def test_a_page_may_hold_fences_itself() -> None:
    page = "# Use\n\n```python\nf()\n```\n\nThat is all.\n"

    assert read_files(f"```markdown\n{page}```", ["docs/use.md"]) == {"docs/use.md": page}


bodies = st.text(
    st.characters(
        exclude_characters="`\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029", exclude_categories=["Cs"]
    ),
    min_size=1,
)


@given(bodies.filter(lambda text: text.strip() != ""))
def test_what_is_fenced_is_what_is_read(body: str) -> None:
    assert read_files(f"```python a.py\n{body}\n```", ["a.py"]) == {"a.py": f"{body}\n"}


@given(st.text(), st.lists(st.sampled_from(["a.py", "b.md"]), min_size=1, max_size=2, unique=True))
def test_any_reply_gives_all_files_or_a_fence_error(reply: str, wanted: list[str]) -> None:
    try:
        found = read_files(reply, wanted)
    except ReplyError:
        return
    assert list(found) == wanted
