"""Shares with Wilson intervals, and paired comparisons."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.figures import Paired, Share, paired


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (Share(52, 62), "84 [73-91]"),  # as published for the prototype
        (Share(0, 12), "0 [0-24]"),
        (Share(12, 12), "100 [76-100]"),
        (Share(0, 0), "-"),
    ],
)
def test_a_share_is_written_with_its_wilson_interval(share: Share, text: str) -> None:
    assert str(share) == text


@given(st.integers(1, 500).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_an_interval_holds_its_share_and_narrows_with_more_of_the_same(
    counts: tuple[int, int],
) -> None:
    hits, of = counts
    low, high = Share(hits, of).interval
    more_low, more_high = Share(4 * hits, 4 * of).interval
    assert 0 <= low <= hits / of <= high <= 1
    assert more_high - more_low < high - low


@given(st.lists(st.tuples(st.booleans(), st.booleans())))
def test_gains_less_losses_are_the_difference_of_the_hits(both: list[tuple[bool, bool]]) -> None:
    mine, other = [m for m, _ in both], [o for _, o in both]
    found = paired(mine, other)
    assert found.gains - found.losses == sum(mine) - sum(other)
    assert paired(other, mine) == Paired(found.losses, found.gains)


def test_arms_of_different_problems_are_not_compared() -> None:
    with pytest.raises(ValueError, match="shorter"):
        paired([True, False], [True])
