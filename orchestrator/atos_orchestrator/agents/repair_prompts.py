"""What is asked when a candidate fails: a corrected file, and before it, of pools that can tell, the cause. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from atos_orchestrator.agents.model_request import ModelRequest
from atos_orchestrator.agents.prompts import (
    CODE_STOPS,
    FENCE,
    MODULE_TOKENS,
    Assignment,
    Sampling,
    request_of,
    shorten,
)
from atos_orchestrator.ports import Json

REFLECT_TOKENS = 400
_CODE = 1800
_FACT = 600
"""Bytes that a part of a prompt may take."""

_REPAIR = (
    "This is the file {path}:\n```python\n{code}\n```\nIt fails: {fact}\n"
    "Write the complete corrected file in one ```python fence. Code only."
)

REFLECTION_SCHEMA: Json = {
    "type": "object",
    "required": ["cause", "change"],
    "properties": {
        "cause": {"type": "string", "maxLength": 200},
        "change": {"type": "string", "maxLength": 200},
    },
}


def repair_request(
    given: Assignment,
    code: str,
    fact: str,
    sampling: Sampling,
    reflection: Mapping[str, object] | None = None,
) -> ModelRequest:
    """Ask for a corrected file, given what was executed and seen."""
    cause = "\n".join(str(said) for said in (reflection or {}).values() if said)
    facts = f"{shorten(fact, _FACT)}\n{cause}".strip()
    words = _REPAIR.format(path=given.task.files[0], code=shorten(code, _CODE), fact=facts)
    return request_of("coder", given, words, sampling, MODULE_TOKENS, FENCE, CODE_STOPS)


def reflection_request(given: Assignment, code: str, fact: str, sampling: Sampling) -> ModelRequest:
    """Ask for the cause of a failure; for pools whose models can tell."""
    words = (
        f"This code fails:\n```python\n{shorten(code, _CODE)}\n```\n{shorten(fact, _FACT)}\n"
        "Name the cause and the change that removes it, as JSON."
    )
    asked = request_of("reflector", given, words, sampling, REFLECT_TOKENS)
    return ModelRequest(
        asked.role, asked.messages, asked.pool, schema=REFLECTION_SCHEMA, max_tokens=REFLECT_TOKENS
    )
