"""What is asked of a model about a HumanEval problem, once and for all policies: the product's own requests.

The problem is a task of one function, as the brief would make it of the goal that a person types. One greedy
program and four that go about it in other ways; then three testers, none of whom sees code or another tester.
"""

from __future__ import annotations

from atos_orchestrator.agents.model_request import ModelRequest
from atos_orchestrator.agents.prompts import APPROACHES, Sampling, assignment
from atos_orchestrator.agents.prompts import sample_request as program_request
from atos_orchestrator.agents.tester_prompts import assertions_request
from atos_orchestrator.debugging.testers import TEMPERATURE
from atos_orchestrator.planning.brief.reading import read_brief
from atos_orchestrator.strategies.general.strategy import SAMPLE_TEMPERATURE, TESTERS
from atos_orchestrator.task import Task
from bench.humaneval import Problem

POOL = "simple"


def goal_of(problem: Problem) -> str:
    """Return the problem as a person would type it."""
    return f"Write this Python function:\n{problem.head}\n\nWhat it does:\n{problem.text}"


def task_of(problem: Problem) -> Task:
    """Return the one task that such a goal is."""
    goal, signature = goal_of(problem), problem.head.splitlines()[-1].rstrip(":")
    brief = read_brief(goal)
    return Task(
        "T1",
        problem.name,
        files=("solution.py",),
        signatures=(signature,),
        examples=tuple(example.assertion for example in brief.examples),
        errors=brief.errors,
    )


def requests_of(problem: Problem) -> list[ModelRequest]:
    """Return all requests about a problem; what they have in common comes first in each."""
    given = assignment(goal_of(problem), task_of(problem), {})
    programs = [
        program_request(
            given, Sampling(POOL, SAMPLE_TEMPERATURE if number else 0.0, number, approach)
        )
        for number, approach in enumerate(APPROACHES)
    ]
    testers = [
        assertions_request(
            given, problem.name, Sampling(POOL, TEMPERATURE if number else 0.0, 100 + number)
        )
        for number in range(TESTERS)
    ]
    return [*programs, *testers]
