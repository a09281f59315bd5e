"""Goals side by side while the machine is in trouble: all end as they do alone, whatever struck, and where.

`LONG=1 make test-chaos` strikes two hundred times over a hundred goals; `SEED=` repeats a run.
"""

from collections import Counter

import anyio
import pytest

from doubles.chaos_faults import KINDS, LONG, SEED, Faults, Struck, own_programs
from doubles.chaos_house import SMALL, TOOLKIT, ChaosHouse, Course

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(7200 if LONG else 600)]

ROUNDS = 20 if LONG else 2
GOALS = 5
FAULTS = 10
"""Each round: so many goals at once, and so many faults meanwhile."""
ROUND_SECONDS = 280.0


@pytest.fixture(scope="module")
async def house(house: ChaosHouse) -> ChaosHouse:
    """The same, with programs of its own, so that a fault strikes nobody else's."""
    own_programs(house)
    return house


async def struck_goals(house: ChaosHouse, faults: Faults, goals: list[str]) -> list[Course]:
    """Follow goals to their ends while faults strike."""
    ids = [await house.start(goal) for goal in goals]
    found = dict[str, Course]()

    async def follow(goal_id: str) -> None:
        found[goal_id] = await house.follow(goal_id, ROUND_SECONDS)

    async with faults.during(house, number=FAULTS), anyio.create_task_group() as tasks:
        for goal_id in ids:
            tasks.start_soon(follow, goal_id)
    return [found[goal_id] for goal_id in ids]


def landed(struck: Struck, courses: list[Course]) -> str:
    """Say what the goals were doing when a fault struck, and how long no event came from then on."""
    places = Counter(
        course.fell_into(struck.at) for course in courses if course.alive_at(struck.at)
    )
    return ", ".join(f"{count} x {kind}" for kind, count in places.items()) or "no goal at work"


@pytest.mark.parametrize("number", range(ROUNDS))
async def test_no_goal_fails_for_reasons_of_the_machine(
    house: ChaosHouse, alone: dict[str, Course], number: int
) -> None:
    faults = Faults(SEED + number)
    goals = [(SMALL, TOOLKIT)[at % 3 == 0] for at in range(GOALS)]
    print(f"\nSEED={SEED}, round {number}")  # noqa: T201
    courses = await struck_goals(house, faults, goals)

    for struck in faults.struck:
        where = landed(struck, courses)
        print(f"  {struck.kind:26} {struck.seconds:3.1f} s  {where}")  # noqa: T201
    slowest = max(course.seconds for course in courses)
    print(f"  slowest goal {slowest:.1f} s")  # noqa: T201
    for goal, course in zip(goals, courses, strict=True):
        course.check_against(alone[goal])
    assert len({struck.kind for struck in faults.struck} & set(KINDS)) >= 5
