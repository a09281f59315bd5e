"""Reads a plan of atos-mini strictly; production repairs any plan instead and compares it with the scope."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from atos_orchestrator.agents.replies import ReplyError
from atos_orchestrator.strategies.mini.scope import MAX_TOOLS


def parse_plan(text: str) -> dict[str, Any]:
    """Read a plan reply.

    Raises:
        ReplyError: It is not JSON, or not an object with one to six tasks of the schema's shape.
    """
    try:
        plan = _Plan.model_validate_json(text.strip())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the reply"
        message = f"the plan is not usable: {place}: {first['msg']}"
        raise ReplyError(message) from error
    return plan.model_dump()


class _Task(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    id: int = Field(ge=1, le=MAX_TOOLS)
    title: str = Field(min_length=1, max_length=100)
    files: list[str] = Field(min_length=1, max_length=1)
    depends_on: list[int] = Field(max_length=MAX_TOOLS)


class _Plan(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    tasks: list[_Task] = Field(min_length=1, max_length=MAX_TOOLS)
