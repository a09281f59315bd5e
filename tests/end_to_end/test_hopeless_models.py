"""Goals given to models that can't write code: each ends with a reason, and nothing hangs.

The models are a fake that says one thing to everybody; daemons, scheduler, sandbox and git are real.
"""

from collections.abc import Callable, Iterator

import pytest

from doubles.fake_ollama import Body, FakeModel, FakeOllama
from doubles.installation import Installation

GOAL = "Write clamp.py with clamp(x, low, high), which limits x. clamp(5, 1, 3) returns 3."
PROSE = "当然可以。下面是一个函数。"
SCRIPT = "```javascript\nfunction clamp(x, low, high) { return Math.min(high, x); }\n```\n"
RAMBLING = "The next exercise is harder. User: what is a clamp?\nAssistant: A clamp is a tool.\n"
ENDLESS = "a:latest repeated itself without end, so its reply was ended"

pytestmark = pytest.mark.timeout(120)


def always(text: str) -> Callable[[Body], str]:
    """Return a model that says one thing to everybody."""
    return lambda _: text


@pytest.fixture(scope="module")
def ollama() -> Iterator[FakeOllama]:
    with FakeOllama([FakeModel("a:latest")]) as fake:
        yield fake


@pytest.fixture(scope="module")
def atos(ollama: FakeOllama) -> Iterator[Installation]:
    installation = Installation(ATOS_OLLAMA_URL=ollama.url)
    yield installation
    installation.close()


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("", "candidates 1 to 5: a:latest wrote nothing (0 tokens)"),
        ("def " * 20_000, f"candidates 1 to 5: {ENDLESS}: ' def'"),
        (RAMBLING * 80, f"candidates 1 to 5: {ENDLESS}: '\\nAssistant: A clamp is a tool."),
        (PROSE, f"clamp.py, line 2: invalid character '。' (U+3002): '{PROSE}'"),
        (SCRIPT, "candidates 1 to 6: clamp.py, line 1: invalid syntax: 'function clamp("),
    ],
    ids=["empty", "endless", "rambling", "prose in Chinese", "JavaScript"],
)
def test_a_model_that_writes_no_python_ends_the_goal_with_the_reason(
    atos: Installation, ollama: FakeOllama, said: str, reason: str
) -> None:
    ollama.reply = always(said)
    result, _ = atos.build(GOAL)
    ended = (result["exit"], result["state"], [task["state"] for task in result["tasks"]])
    assert ended == (4, "needs_help", ["failed"]), result
    assert reason in result["error"]["message"]
    assert reason in result["tasks"][0]["why"]
    assert f"atos-client answer {result['id']}/T1" in result["error"]["next"]
