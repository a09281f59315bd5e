"""How many threads a model gets, and how many requests at once pay."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atos_scheduler.engines.threads import (
    WINDOW_SECONDS,
    OtherWork,
    parallel,
    suited,
    threads,
    threads_now,
    usable_cores,
)


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


@pytest.mark.parametrize(
    ("now", "busy", "count"), [(1, 0.0, 2), (1, 0.29, 2), (1, 0.4, 1), (2, 0.6, 2), (2, 0.8, 1)]
)
def test_a_loaded_model_keeps_its_threads_unless_others_clearly_suit(
    now: int, busy: float, count: int
) -> None:
    assert suited(now, 2, busy) == count


@given(st.integers(1, 64), st.integers(1, 64), st.floats(0, 80))
def test_threads_that_were_changed_are_not_changed_back_by_the_same_load(
    now: int, cores: int, busy: float
) -> None:
    chosen = suited(now, cores, busy)
    assert suited(chosen, cores, busy) == chosen


def test_the_work_of_others_is_averaged_over_a_while_and_a_models_own_is_left_out() -> None:
    spent, now = [(0.0, 0.0)], [0.0]
    work = OtherWork(1, lambda pid: spent[0], lambda: now[0])
    now[0], spent[0] = WINDOW_SECONDS / 2, (9.0, 0.0)
    assert work.look() is None
    now[0], spent[0] = WINDOW_SECONDS * 2, (15.0, 12.0)
    assert work.look() == 3.0 / (WINDOW_SECONDS * 2)
    assert work.look() is None


@pytest.mark.parametrize(("cores", "count"), [(1, 1), (2, 1), (5, 1), (6, 2), (12, 4)])
def test_side_by_side_pays_from_six_cores_on(cores: int, count: int) -> None:
    assert parallel(cores) == count


def test_this_machine_has_a_core_and_gives_a_thread() -> None:
    assert 1 <= threads_now() <= usable_cores()
