"""Goals side by side while the machine is in trouble: all end as they do alone, whatever struck, and where.

`LONG=1 make test-chaos` strikes two hundred times, over more than a hundred goals; `SEED=` repeats a run.
"""

from collections import Counter
from itertools import cycle

import anyio
import pytest

from doubles.chaos_faults import LONG, SEED, Faults, Struck, own_programs
from doubles.chaos_house import SMALL, TOOLKIT, ChaosHouse, Course

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(7200 if LONG else 600)]

ROUNDS = 20 if LONG else 2
AT_ONCE = 5
FAULTS = 10
"""Each round: so many goals at a time, and so many faults meanwhile."""
ROUND_SECONDS = 280.0


@pytest.fixture(scope="module")
async def house(house: ChaosHouse) -> ChaosHouse:
    """The same, with programs of its own, so that a fault strikes nobody else's."""
    own_programs(house)
    return house


async def struck_goals(house: ChaosHouse, faults: Faults) -> list[tuple[str, Course]]:
    """Have so many goals at work, one after another, until the last fault has struck; follow each to its end."""
    found = list[tuple[str, Course]]()
    wanted = cycle((TOOLKIT, SMALL, SMALL))

    async def one_after_another() -> None:
        while True:
            goal = next(wanted)
            found.append((goal, await house.follow(await house.start(goal), ROUND_SECONDS)))
            if faults.over:
                return

    async with faults.during(house), anyio.create_task_group() as tasks:
        for _ in range(AT_ONCE):
            tasks.start_soon(one_after_another)
    return found


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
    faults = Faults(SEED + number, FAULTS)
    print(f"\nSEED={SEED}, round {number}")  # noqa: T201
    found = await struck_goals(house, faults)

    courses = [course for _, course in found]
    for struck in faults.struck:
        where = landed(struck, courses)
        print(f"  {struck.kind:26} {struck.seconds:3.1f} s  {where}")  # noqa: T201
    slowest = max(course.seconds for course in courses)
    print(f"  {len(found)} goals, slowest {slowest:.1f} s; missed: {faults.missed}")  # noqa: T201
    for goal, course in found:
        course.check_against(alone[goal])
    assert len(faults.struck) == FAULTS
    assert len({struck.kind for struck in faults.struck}) >= 5
