"""One caller's requests over HTTP are bounded; another caller's are not touched by that."""

from hypothesis import given
from hypothesis import strategies as st

from atos_servers.host.rate_limit import BURST_SECONDS, MOST_CALLERS, RateLimit


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_is_served_then_a_caller_waits_as_long_as_it_is_told() -> None:
    clock = Clock()
    limit = RateLimit(10, clock)
    assert [limit.wait("n8n") for _ in range(20)] == [0.0] * 20
    assert limit.wait("n8n") == 0.1
    assert limit.wait("other") == 0.0
    clock.now += 0.1
    assert limit.wait("n8n") == 0.0
    assert limit.wait("n8n") > 0


def test_without_a_rate_nobody_waits() -> None:
    limit = RateLimit(0, Clock())
    assert {limit.wait("n8n") for _ in range(10_000)} == {0.0}


def test_it_remembers_a_bounded_number_of_callers() -> None:
    limit = RateLimit(0.5, Clock())
    for number in range(MOST_CALLERS + 1):
        assert limit.wait(f"caller {number}") == 0.0
    assert limit.wait(f"caller {MOST_CALLERS}") > 0
    assert limit.wait("caller 0") == 0.0


@given(st.floats(0.5, 1000), st.lists(st.floats(0, 3), min_size=1, max_size=60))
def test_no_more_is_ever_served_than_the_burst_and_the_rate_allow(
    rate: float, pauses: list[float]
) -> None:
    clock = Clock()
    limit = RateLimit(rate, clock)
    served = 0
    for pause in pauses:
        clock.now += pause
        served += limit.wait("n8n") == 0.0
    assert served <= max(1.0, rate * BURST_SECONDS) + rate * clock.now + 1e-6


@given(st.floats(0.5, 1000), st.integers(1, 50))
def test_who_waits_as_long_as_told_is_served(rate: float, requests: int) -> None:
    clock = Clock()
    limit = RateLimit(rate, clock)
    for _ in range(requests):
        if seconds := limit.wait("n8n"):
            clock.now += seconds * (1 + 1e-9) + 1e-9
            assert limit.wait("n8n") == 0.0
