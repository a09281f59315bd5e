"""A reply that repeats itself without end is recognised, and real code is not."""

import inspect
import itertools
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atos_scheduler.gateway.repetition import SHORTEST, STEP, TIMES, Repetition, repeated_part

PART = st.text(min_size=1, max_size=400)


@given(st.text(max_size=300), PART)
def test_a_part_that_fills_the_end_of_a_reply_is_found(before: str, part: str) -> None:
    times = max(TIMES, SHORTEST // len(part) + 1)
    found = repeated_part(before + part * times)
    assert found
    assert (part * 2).endswith(found) or found in part * 3


@given(st.text(alphabet="ab \n", min_size=260, max_size=400))
def test_a_part_that_stands_there_three_times_is_no_endless_repetition(part: str) -> None:
    assert repeated_part("".join(f"{number}{part}" for number in range(TIMES - 1))) == ""


@pytest.mark.parametrize("module", [inspect, subprocess, st])
def test_no_beginning_of_real_code_repeats_itself(module: object) -> None:
    source, watch = inspect.getsource(module), Repetition()  # type: ignore[arg-type]
    assert [watch.see(source[at : at + 50]) for at in range(0, len(source), 50)] == [""] * (
        -(-len(source) // 50)
    )


@pytest.mark.parametrize(
    "text",
    [
        "board = [\n" + "    [0, 0, 0, 0, 0, 0, 0, 0],\n" * 20 + "]\n",
        "# " + "-" * 200 + "\n",
        "".join(f"assert square({n}) == {n * n}\n" for n in range(200)),
        "| a | b | c |\n|---|---|---|\n" + "".join(f"| {n} | 0 | 0 |\n" for n in range(100)),
        "x = " + "0" * 500,
    ],
)
def test_tables_and_separators_are_no_repetition(text: str) -> None:
    assert repeated_part(text) == ""


@given(st.lists(st.integers(1, 40), min_size=80, max_size=120))
def test_it_is_seen_however_the_reply_is_cut(sizes: list[int]) -> None:
    watch, endless = Repetition(), "print(f'{a} {b}')\n" * 500
    ends = list(itertools.accumulate(sizes))
    seen = [watch.see(endless[end - size : end]) for size, end in zip(sizes, ends, strict=True)]
    first = next((end for end, part in zip(ends, seen, strict=True) if part), None)
    if first is None:
        assert ends[-1] < SHORTEST + 2 * STEP
    else:
        assert SHORTEST <= first <= SHORTEST + 2 * STEP
