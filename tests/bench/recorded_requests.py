"""What is asked of a model about a HumanEval problem, once and for all policies.

One greedy program and four that go about it in other ways; then three testers, none of whom sees code or
another tester. This is the one place to switch when the product's prompts change.
"""

from __future__ import annotations

from atos_orchestrator.agents.model_request import ModelRequest, Role
from bench.humaneval import Problem

SYSTEM = "You are a careful Python programmer."
CODER = (
    "Write this function in one ```python fence, with the imports that it needs. Code only: no"
    " docstring, no tests."
)
TESTER = (
    "Don't write the function. Write 5 tests of it, each one line `assert {name}(...) == ...`, with"
    " other values than the examples: usual cases, edge cases, and cases that a careless author"
    " gets wrong."
)
APPROACHES = (
    "",
    "Begin with a comment that lists the edge cases.",
    "Use small helper functions inside it.",
    "Write it the way the standard library would.",
    "Begin with a comment that says the simplest correct approach in one sentence.",
)
CODE_STOPS = (
    "```", "\ndef ", "\nprint(", "\nassert ", "\nif __name__", "\n# Test", "\n# Example",
)  # fmt: skip
TEST_STOPS = ("```", "\ndef ", "\n#", "\n\n\n")
CODE_TOKENS = 300
TEST_TOKENS = 220
TESTERS = 3
TEMPERATURE = 0.8
"""Of every sample but the first of its role."""


def requests_of(problem: Problem) -> list[ModelRequest]:
    """Return all requests about a problem; what they have in common comes first in each."""
    programs = [
        _request(problem, "coder", f"{CODER} {approach}".strip(), number, number)
        for number, approach in enumerate(APPROACHES)
    ]
    words = TESTER.format(name=problem.name)
    testers = [
        _request(problem, "tester", words, number, 100 + number) for number in range(TESTERS)
    ]
    return [*programs, *testers]


def _request(problem: Problem, role: Role, words: str, number: int, seed: int) -> ModelRequest:
    coder = role == "coder"
    about = f"A Python function:\n{problem.head}\n\nWhat it does:\n{problem.text}"
    begin = f"{problem.head}\n" if coder else f"assert {problem.name}("
    return ModelRequest(
        role,
        [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": f"{about}\n\n{words}"},
        ],
        pool="",
        max_tokens=CODE_TOKENS if coder else TEST_TOKENS,
        temperature=TEMPERATURE if number else 0.0,
        seed=seed,
        begin=f"```python\n{begin}",
        stop=CODE_STOPS if coder else TEST_STOPS,
    )
