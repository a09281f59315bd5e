"""Daemons killed at every named point, and at moments spread over a goal: nothing is lost or doubled.

`make test-chaos`. One home serves all of it, so most kills find warm daemons, as they would in life. At
each point one of the three daemons dies, another one each day (`SEED=` names the day again); with `LONG=1`
each of them does.
"""

import time
from collections import Counter

import anyio
import pytest

from atos_orchestrator.execution.crash_points import START_POINTS, STEP_POINTS, SUBMIT_POINTS
from doubles.chaos_faults import LONG, SEED
from doubles.chaos_house import SMALL, TOOLKIT, VICTIMS, ChaosHouse, Course, Victim, logs

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(120)]

MOMENTS = 12
KINDS = 3
"""How many kinds of steps the kills at moments must fall into."""

NOT_PASSED = (
    "goal.brief.",
    "goal.classify.",
    "task.ask.",
    "task.evaluate.",
    "task.look.",
    "task.names.",
    "task.repair.",
    "task.testers.",
)
"""Steps that atos-mini's toolkit goal does not take: tests come with the code, it passes at once, and no
failure has to be looked into."""

PASSED = [name for name in STEP_POINTS if not name.startswith(NOT_PASSED)]


@pytest.fixture(scope="module")
async def unharmed(house: ChaosHouse) -> Course:
    """The course of a goal that nobody disturbs: what all others must come to."""
    await house.follow(await house.start())  # warm: the model is loaded, the pools are known
    course = await house.follow(await house.start())
    assert course.view["state"] == "success", logs(house.settings)
    return course


@pytest.fixture(scope="module")
async def unharmed_small(house: ChaosHouse, unharmed: Course) -> Course:
    """The same for a goal of one task."""
    course = await house.follow(await house.start(SMALL))
    assert course.view["state"] == "success", logs(house.settings)
    return course


@pytest.fixture(scope="module")
def kinds() -> Counter[str]:
    """Kind of step -> how many kills at moments fell into it."""
    return Counter()


def tell(what: str, victim: Victim, moment: float, course: Course) -> None:
    kind = course.fell_into(moment)
    print(f"\n{what}: {victim} killed after {kind}, ended in {course.seconds:.1f} s", end="")  # noqa: T201


def dealt(number: int) -> list[tuple[int, Victim]]:
    """Deal the daemons to so many points: one each, or with `LONG=1` all of them to each."""
    return [
        (at, victim)
        for at in range(number)
        for turn, victim in enumerate(VICTIMS)
        if LONG or turn == (at + SEED) % len(VICTIMS)
    ]


@pytest.mark.parametrize(("name", "victim"), [(PASSED[at], who) for at, who in dealt(len(PASSED))])
async def test_a_kill_at_a_step_changes_nothing(
    house: ChaosHouse, unharmed: Course, unharmed_small: Course, name: str, victim: Victim
) -> None:
    # Where a task loses its worker it matters what the others were doing; else one task will do.
    several = victim == "worker" and name.startswith("task.")
    goal, expected = (TOOLKIT, unharmed) if several else (SMALL, unharmed_small)
    house.arm(name, victim)
    course = await house.follow(await house.start(goal))
    struck = await house.struck_at()

    assert struck is not None, f"the goal never passed {name}"
    tell(name, victim, struck, course)
    course.check_against(expected)


@pytest.mark.parametrize("name", SUBMIT_POINTS)
async def test_a_kill_while_a_goal_is_accepted_leaves_one_goal_or_none(
    house: ChaosHouse, unharmed: Course, name: str
) -> None:
    house.arm(name, "servers")
    goal = await house.start("reverse a string", key=f"chaos-{name}-{time.time()}")
    course = await house.follow(goal)

    assert await house.struck_at() is not None
    assert course.view["state"] == "success", logs(house.settings)
    assert course.effects() == ["T1", "record", "scaffold"]


@pytest.mark.parametrize("name", START_POINTS)
async def test_a_worker_killed_while_it_takes_over_is_followed_by_another(
    house: ChaosHouse, unharmed: Course, name: str
) -> None:
    goal = await house.start()
    await house.until_event(goal, "task_started")
    house.arm(name, "worker")
    moment = await house.kill("worker")
    course = await house.follow(goal)

    assert await house.struck_at() is not None
    tell(name, "worker", moment, course)
    course.check_against(unharmed)


@pytest.mark.parametrize(("number", "victim"), dealt(MOMENTS))
async def test_a_kill_at_a_moment_changes_nothing(
    house: ChaosHouse, unharmed: Course, kinds: Counter[str], number: int, victim: Victim
) -> None:
    after = unharmed.seconds * (number + 0.5) / MOMENTS
    goal = await house.start()
    await anyio.sleep(after)
    moment = await house.kill(victim)
    course = await house.follow(goal)

    kinds[course.fell_into(moment)] += 1
    tell(f"after {after:.2f} s", victim, moment, course)
    course.check_against(unharmed)


def test_the_kills_at_moments_fell_into_different_steps(kinds: Counter[str]) -> None:
    print(f"\nkills fell into: {dict(kinds)}")  # noqa: T201
    assert len(kinds) >= KINDS
