"""Many goals at once: each comes to the same as alone, the first ones end first, and nothing is left open."""

import os
from pathlib import Path

import anyio
import pytest

from doubles.chaos_house import SMALL, TOOLKIT, VICTIMS, ChaosHouse, Course

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

SPARE_SOCKETS = 3
"""How many more a daemon may have open after many goals than after one: whoever asked last may still leave."""


async def courses_of(house: ChaosHouse, goals: list[str], seconds: float) -> list[Course]:
    """Start goals together, and return the course of each in the order in which they were started."""
    ids = [await house.start(goal) for goal in goals]
    found = dict[str, Course]()

    async def follow(goal_id: str) -> None:
        found[goal_id] = await house.follow(goal_id, seconds)

    async with anyio.create_task_group() as tasks:
        for goal_id in ids:
            tasks.start_soon(follow, goal_id)
    return [found[goal_id] for goal_id in ids]


def open_sockets(house: ChaosHouse) -> dict[str, int]:
    """How many sockets each daemon has open; its files are the database's, whose pool may grow."""
    return {victim: sum(map(is_socket, descriptors(house.pid(victim)))) for victim in VICTIMS}


def descriptors(pid: int) -> list[Path]:
    return list(Path(f"/proc/{pid}/fd").iterdir())


def is_socket(link: Path) -> bool:
    try:
        return str(link.readlink()).startswith("socket:")
    except FileNotFoundError:  # closed meanwhile
        return False


@pytest.mark.parametrize("number", [3, 12])
async def test_goals_at_once_come_to_the_same_as_alone(
    house: ChaosHouse, alone: dict[str, Course], number: int
) -> None:
    before = await anyio.to_thread.run_sync(open_sockets, house)
    goals = [(SMALL, TOOLKIT)[at % 3 == 0] for at in range(number)]
    courses = await courses_of(house, goals, 60.0 + 30.0 * number)

    for goal, course in zip(goals, courses, strict=True):
        course.check_against(alone[goal])
    after = await anyio.to_thread.run_sync(open_sockets, house)
    grown = {name: after[name] - before[name] for name in after}
    assert all(more <= SPARE_SOCKETS for more in grown.values()), grown


async def test_the_goals_that_were_started_first_end_first(
    house: ChaosHouse, alone: dict[str, Course]
) -> None:
    courses = await courses_of(house, [SMALL] * 10, 300.0)
    ends = [course.events[-1]["at"] for course in courses]
    # As many as run at once may overtake each other, no more.
    window = max(2, os.cpu_count() or 1)
    for at, end in enumerate(ends):
        assert all(end < later for later in ends[at + window + 1 :]), ends
