"""Goals on a machine in memory, in virtual time, under faults that follow from a number.

The invariants are named in `doubles/simulation/invariants.py`; docs/decisions/0018 says what is real and what is not.
"""

import os
import sys
import time

import pytest

from doubles.simulation.playing import on_all_cores, player, told, violating
from doubles.simulation.story import story_of

QUICK = 100
MANY = int(os.environ.get("SCHEDULES", "100000"))
FIRST = int(os.environ.get("SEED", "1"))


@pytest.mark.timeout(120)
def test_no_schedule_violates_an_invariant() -> None:
    for found in violating(range(FIRST, FIRST + QUICK)):
        pytest.fail(told(found))


def test_a_schedule_is_played_again_by_its_number() -> None:
    with player() as played:
        stories = [story_of(seed) for seed in range(20, 28)]
        first = [played(story).trace for story in stories]
        assert [played(story).trace for story in stories] == first


@pytest.mark.long
@pytest.mark.timeout(6 * 3600)
def test_no_schedule_of_a_hundred_thousand_violates_an_invariant() -> None:
    began = time.monotonic()
    wrong = on_all_cores(FIRST, MANY)
    rate = MANY / (time.monotonic() - began) * 60
    sys.stdout.write(f"\n{MANY} schedules from {FIRST} on, {rate:.0f} a minute\n")
    first = min(wrong, key=lambda found: found.story.seed, default=None)
    assert first is None, f"{len(wrong)} schedules, of them the first:\n{told(first)}"
