"""A goal for general models, and a fake Ollama whose models answer it by role.

The first version of `prices.py` is wrong, so that the goal takes a second candidate.
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
PRICE_ROWS = """\
assert parse_price("EUR 3.50") == 3.5
assert parse_price("2") == 2.0
assert parse_price("USD 10") == 10.0
"""
TOTAL_ROWS = """\
assert total(["EUR 1", "EUR 2"]) == 3.0
assert total(["EUR 5"]) == 5.0
assert total([]) == 0
"""


def fence(text: str) -> str:
    return f"Here it is.\n```python\n{text}```\n"


def write(body: Body) -> str:
    """Answer as a coder or tester would; the first version of prices.py is wrong.

    The fake continues no begun reply: it starts anew, as some servers do.
    """
    user = str(body["messages"][1]["content"])
    prices = "sum prices" not in user
    if "Don't write the code" in user:
        return fence(PRICE_ROWS if prices else TOTAL_ROWS)
    if not prices:
        return fence(TOTALS)
    return fence(RIGHT if body["options"].get("seed") else WRONG)


def structure(body: Body) -> dict[str, Any]:
    """Answer as a planner or classifier would."""
    wanted = body["format"]["properties"]
    if "tasks" in wanted:
        return PLAN
    if "level" in wanted:
        return {"reason": "one function", "level": "simple"}
    return {"cause": "the currency stays in the text", "change": "take the last word"}


def price_models() -> FakeOllama:
    """The server, not entered yet."""
    names = ("qwen2.5:3b", "qwen2.5:1.5b", "qwen2.5-coder:3b")
    return FakeOllama([FakeModel(name) for name in names], reply=write, structured=structure)
