"""The model's own language: how it is asked, what it answers, how its answers are read.

Goals are mapped to canonical wordings by the scope check before the model sees them, so a prompt is
always one of a few shapes. Replies are read strictly: a reply that doesn't have the shape is an error
that says which part is missing, never repaired.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from atos_orchestrator.agents.replies import ReplyError
from atos_orchestrator.strategies.mini.catalogue import call_text, expected, module_name
from atos_orchestrator.strategies.mini.family import Function, Wanted
from atos_orchestrator.strategies.mini.scope import MAX_TOOLS, Scope

CONTEXT_TOKENS: Final = 1024
CODE_TOKENS: Final = 400
PLAN_TOKENS: Final = 480
OWN_ASSERTS: Final = 2
CHAT_TEMPLATE: Final = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
PLAN_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["tasks"],
    "properties": {
        "tasks": {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_TOOLS,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["id", "title", "files", "depends_on"],
                "properties": {
                    "id": {"type": "integer", "minimum": 1, "maximum": MAX_TOOLS},
                    "title": {"type": "string", "minLength": 1, "maxLength": 100},
                    "files": {
                        "type": "array",
                        "minItems": 1,
                        "maxItems": 1,
                        "items": {"type": "string", "minLength": 4, "maxLength": 60},
                    },
                    "depends_on": {
                        "type": "array",
                        "maxItems": MAX_TOOLS,
                        "items": {"type": "integer", "minimum": 1, "maximum": MAX_TOOLS},
                    },
                },
            },
        }
    },
}

_FENCE = re.compile(r"```python\n(.*?)```", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Answer:
    """A code reply: the module's source, and the tests that the model wrote itself, if any."""

    code: str
    own_tests: str | None


def chat(text: str) -> list[dict[str, str]]:
    """Wrap a prompt as chat messages."""
    return [{"role": "user", "content": text}]


def plan_prompt(scope: Scope) -> str:
    """Ask for a plan of a goal: numbered and quoted, which is what a small model can copy from."""
    lines = (f'{place}:"{one.wording}"' for place, one in enumerate(scope.wanted, start=1))
    return "\n".join(("Plan:", *lines))


def code_prompt(wanted: Wanted) -> str:
    """Ask for one module."""
    return f"Write a Python function to {wanted.wording}"


def plan_messages(scope: Scope) -> list[dict[str, str]]:
    """Give the chat messages that ask for a plan."""
    return chat(plan_prompt(scope))


def code_messages(wanted: Wanted) -> list[dict[str, str]]:
    """Give the chat messages that ask for one module."""
    return chat(code_prompt(wanted))


def plan_reply(wanted: tuple[Wanted, ...]) -> str:
    """Write the plan that the model is trained to answer."""
    tasks = [
        {"id": number, "title": one.wording, "files": [f"{module_name(one)}.py"], "depends_on": []}
        for number, one in enumerate(wanted, start=1)
    ]
    return json.dumps({"tasks": tasks}, separators=(",", ":"))


def code_reply(found: Function) -> str:
    """Write the answer that the model is trained to give: the module, then a test of its own."""
    asserts = "".join(
        f"    assert {call_text(found, arguments)} == {expected(found, arguments)!r}\n"
        for arguments in found.cases[:OWN_ASSERTS]
    )
    test = f"from {found.name} import {found.name}\n\n\ndef test_{found.name}():\n{asserts}"
    return f"```python\n{found.source}```\n\n```python\n{test}```"


def parse_code(text: str) -> Answer:
    """Read a code reply: a fenced module, then perhaps a fenced test.

    Raises:
        ReplyError: There is no closed fence, or the first one is empty.
    """
    fences = _FENCE.findall(text)
    if not fences or not fences[0].strip():
        message = "the reply has no closed ```python fence with code in it"
        raise ReplyError(message)
    return Answer(fences[0], fences[1] if len(fences) > 1 else None)
