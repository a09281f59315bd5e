"""One kill per daemon, end to end, in the midst of a goal; `test_chaos` has the many."""

import pytest

from doubles.chaos_house import SMALL, VICTIMS, ChaosHouse, Course, Victim, logs

pytestmark = pytest.mark.timeout(180)

POINTS: dict[Victim, str] = {
    "worker": "goal.integrate.after",
    "servers": "task.test.before",
    "scheduler": "task.sample.before",
}


@pytest.fixture(scope="module")
async def unharmed(house: ChaosHouse) -> Course:
    course = await house.follow(await house.start(SMALL))
    assert course.view["state"] == "success", logs(house.settings)
    return course


@pytest.mark.parametrize("victim", VICTIMS)
async def test_a_goal_survives_the_kill_of_a_daemon(
    house: ChaosHouse, unharmed: Course, victim: Victim
) -> None:
    house.arm(POINTS[victim], victim)
    course = await house.follow(await house.start(SMALL))

    assert await house.struck_at() is not None
    course.check_against(unharmed)


async def test_a_cancelled_goal_is_over_at_once_and_leaves_no_process(
    house: ChaosHouse, unharmed: Course
) -> None:
    daemons = sorted(house.installation.processes())
    goal = await house.start(SMALL)
    await house.until_event(goal, "syntax_checked")
    at_work = house.installation.processes()
    view = await house.cancel(goal)
    await house.until_only(daemons)  # how fast: `make bench NAME=cancel`
    course = await house.follow(goal)

    assert (view["state"], course.view["state"]) == ("cancelled", "cancelled")
    assert sorted(house.installation.processes()) == daemons, at_work
    await house.until_swept()
