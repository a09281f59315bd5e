"""The ATOS arm hands a goal to real daemons and comes back with what they say and made."""

import pytest

from atos import Atos
from bench.atos_arm import ask_atos, claimed_proof
from bench.private_home import private_home
from bench.sample_goals import GoalVariant, SampleGoal

ADD = SampleGoal(
    "add",
    ("add_two_numbers.py",),
    "Write a Python function to add two numbers",
    "Write a Python function to add two numbers",
    "",
)


@pytest.mark.timeout(180)
async def test_a_goal_of_the_demonstration_model_is_delivered_with_its_costs() -> None:
    with private_home() as settings:
        async with Atos.connect(settings) as atos:
            found = await ask_atos(atos, settings.home, GoalVariant(ADD))
    assert found.state == "delivered"
    assert found.files == {}
    assert found.costs.calls >= 1
    assert found.costs.tokens > 0
    assert found.why == ""


def test_a_claim_names_each_kind_of_proof_once() -> None:
    tasks = [
        {"id": "T1", "proof": "examples", "evidence": "3 of 3 examples"},
        {"id": "T2", "proof": "examples", "evidence": "3 of 3 examples"},
        {"id": "T3", "proof": "unproven", "evidence": ""},
        {"id": "T4", "proof": ""},
    ]
    assert claimed_proof({"tasks": tasks}) == "examples: 3 of 3 examples; unproven"
