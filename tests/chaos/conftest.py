"""A house whose daemons are killed and struck, and what its goals come to when nobody disturbs them."""

from collections.abc import AsyncGenerator

import pytest

from doubles.chaos_house import SMALL, TOOLKIT, ChaosHouse, Course, logs


@pytest.fixture(scope="module")
async def house() -> AsyncGenerator[ChaosHouse]:
    chaos = ChaosHouse()
    yield chaos
    left = chaos.close()
    assert left == [], "these survived the shutdown"


@pytest.fixture(scope="module")
async def alone(house: ChaosHouse) -> dict[str, Course]:
    """What each goal comes to when nothing else runs, and nothing happens."""
    courses = {goal: await house.follow(await house.start(goal)) for goal in (SMALL, TOOLKIT)}
    for course in courses.values():
        assert course.view["state"] == "success", logs(house.settings)
    return courses
