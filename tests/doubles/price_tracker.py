"""A goal for general models, and a fake Ollama whose models answer it by role.

The first version of `prices.py` is wrong, so that the goal takes a reflection and a repair.
"""

from typing import Any

from doubles.fake_ollama import Body, FakeModel, FakeOllama

GOAL = "Build a price tracker that parses prices and sums a list of them"
PLAN = {
    "summary": "Parse one price, then sum many.",
    "tasks": [
        {
            "id": 1, "title": "parse a price", "kind": "code", "files": ["prices.py"],
            "depends_on": [], "contract": "parse_price(text: str) -> float",
            "acceptance": ["parse_price('EUR 3.50') == 3.5"],
        },
        {
            "id": 2, "title": "sum prices", "kind": "code", "files": ["totals.py"],
            "depends_on": [1], "contract": "total(lines: list[str]) -> float",
            "acceptance": ["total(['EUR 1', 'EUR 2']) == 3.0"],
        },
    ],
}  # fmt: skip
WRONG = "def parse_price(text):\n    return float(text)\n"
RIGHT = "def parse_price(text):\n    return float(text.split()[-1])\n"
TOTALS = "from prices import parse_price\n\n\ndef total(lines):\n    return sum(map(parse_price, lines))\n"
TEST_PRICES = """\
from prices import parse_price


def test_it_drops_the_currency():
    assert parse_price("EUR 3.50") == 3.5


def test_a_bare_number():
    assert parse_price("2") == 2.0
"""
TEST_TOTALS = """\
from totals import total


def test_it_sums():
    assert total(["EUR 1", "EUR 2"]) == 3.0
"""


def fence(path: str, text: str) -> str:
    return f"Here it is.\n```python {path}\n{text}```\n"


def write(body: Body) -> str:
    """Answer as a coder, fixer or tester would; the first version of prices.py is wrong."""
    system, user = (m["content"] for m in body["messages"][:2])
    prices = "prices.py" in user.split("Contract")[0]
    if "You write pytest tests" in system:
        path = "tests/test_prices.py" if prices else "tests/test_totals.py"
        return fence(path, TEST_PRICES if prices else TEST_TOTALS)
    if "You repair" in system:
        return fence("prices.py", RIGHT)
    return fence("prices.py", WRONG) if prices else fence("totals.py", TOTALS)


def structure(body: Body) -> dict[str, Any]:
    """Answer as a planner, classifier or reflector would."""
    wanted = body["format"]["properties"]
    if "tasks" in wanted:
        return PLAN
    if "level" in wanted:
        return {"reason": "one function", "level": "simple"}
    return {
        "symptom": "could not convert string to float", "failing_test": "test_it_drops_the_currency",
        "suspect": "prices.py:parse_price", "cause": "the currency stays in the text",
        "change": "take the last word", "test_wrong": False,
    }  # fmt: skip


def price_models() -> FakeOllama:
    """The server, not entered yet."""
    names = ("qwen2.5:3b", "qwen2.5:1.5b", "qwen2.5-coder:3b")
    return FakeOllama([FakeModel(name) for name in names], reply=write, structured=structure)
