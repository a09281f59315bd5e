"""One kill per daemon, end to end, in the midst of a goal; `test_chaos` has the many."""

from collections.abc import AsyncGenerator

import pytest

from doubles.chaos_house import VICTIMS, ChaosHouse, Course, Victim, logs

pytestmark = pytest.mark.timeout(120)

GOAL = "Write a Python function to add two numbers"
POINTS: dict[Victim, str] = {
    "worker": "goal.integrate.after",
    "servers": "task.test.before",
    "scheduler": "task.code.before",
}


@pytest.fixture(scope="module")
async def house() -> AsyncGenerator[ChaosHouse]:
    chaos = ChaosHouse()
    yield chaos
    left = chaos.close()
    assert left == [], "these survived the shutdown"


@pytest.fixture(scope="module")
async def unharmed(house: ChaosHouse) -> Course:
    course = await house.follow(await house.start(GOAL))
    assert course.view["state"] == "success", logs(house.settings)
    return course


@pytest.mark.parametrize("victim", VICTIMS)
async def test_a_goal_survives_the_kill_of_a_daemon(
    house: ChaosHouse, unharmed: Course, victim: Victim
) -> None:
    house.arm(POINTS[victim], victim)
    course = await house.follow(await house.start(GOAL))

    assert house.struck_at() is not None
    course.check_against(unharmed)
