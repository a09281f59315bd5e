"""How many threads a model gets, and how many requests at once pay."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atos_scheduler.engines.threads import parallel, threads, threads_now, usable_cores


@pytest.mark.parametrize(
    ("cores", "busy", "count"),
    [(2, 0.0, 2), (2, 0.4, 2), (2, 0.9, 1), (2, 2.0, 1), (8, 0.0, 8), (8, 3.2, 5), (1, 0.0, 1)],
)
def test_a_model_gets_the_cores_that_are_idle(cores: int, busy: float, count: int) -> None:
    assert threads(cores, busy) == count


@given(st.integers(1, 256), st.floats(0, 300), st.floats(0, 300))
def test_there_is_a_thread_at_least_and_a_core_for_each(cores: int, a: float, b: float) -> None:
    quiet, loud = sorted((a, b))
    assert 1 <= threads(cores, loud) <= threads(cores, quiet) <= cores


@pytest.mark.parametrize(("cores", "count"), [(1, 1), (2, 1), (5, 1), (6, 2), (12, 4)])
def test_side_by_side_pays_from_six_cores_on(cores: int, count: int) -> None:
    assert parallel(cores) == count


def test_this_machine_has_a_core_and_gives_a_thread() -> None:
    assert 1 <= threads_now() <= usable_cores()
