"""The bodies and headers of requests; the one place where input from a socket is checked."""

from __future__ import annotations

import re
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import ClientDisconnect, Request

from atos_protocol.errors import BadRequestError
from atos_protocol.scheduler_api import HEADERS, Demand, DemandClass

BODY_BYTES = 32 << 20
DEFAULT_SECONDS = 600.0
"""Deadline, in seconds, of a request that names none."""
MOST_SECONDS = 3600.0
GO_DURATION = re.compile(r"(-?)((?:\d+(?:\.\d+)?(?:h|ms|m|s))+)")
GO_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}

Checked = TypeVar("Checked", bound=BaseModel)


class Lenient(BaseModel):
    """Bodies of foreign APIs: clients of every version send them, so unknown fields are let pass and named."""

    model_config = ConfigDict(extra="allow")

    @property
    def sent(self) -> dict[str, Any]:
        """Return the fields that the client sent, as they came, those that we don't know included."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class Strict(BaseModel):
    """Our own bodies: an unknown field is a mistake."""

    model_config = ConfigDict(extra="forbid")


class NamedModel(Strict):
    """Body of `POST /atos/v1/load` and `/unload`."""

    model: str = Field(min_length=1, max_length=200)


class TaskBody(Strict):
    """One task of a published plan."""

    id: str = Field(min_length=1, max_length=200)
    depends_on: list[str] = []
    state: str = Field(max_length=50)
    pool: str = Field(max_length=200)
    calls: int = Field(default=1, ge=0)
    tokens: int = Field(default=0, ge=0)
    off_gpu: float = Field(default=0.0, ge=0)


class PlanBody(Strict):
    """Body of `PUT /atos/v1/plans/{goal}`."""

    revision: int = Field(ge=0)
    ttl: float = Field(gt=0, le=3600)
    tasks: list[TaskBody] = Field(default=[], max_length=1000)


Label = Annotated[str, Field(max_length=200)]
Number = Annotated[int, Field(gt=-(10**9), lt=10**9)]


class DemandHeaders(Strict):
    """The values of the headers that carry a `Demand`."""

    goal: Label = ""
    task: Label = ""
    role: Label = ""
    kind: DemandClass = "batch"
    priority: Number = 0
    deadline: float = Field(default=0.0, gt=0, le=MOST_SECONDS)
    expected_tokens: Number = 0


async def read_body(request: Request, kind: type[Checked]) -> Checked:
    """Read and check a request's body.

    Raises:
        BadRequestError: it is missing, too large, not JSON, or does not fit the model.
    """
    raw = await _raw(request)
    if not raw.strip():
        message = "missing request body"
        raise BadRequestError(message)
    try:
        return kind.model_validate_json(raw)
    except ValidationError as error:
        raise bad_body(error) from error


def bad_body(error: ValidationError) -> BadRequestError:
    """Return the error of a body that does not fit: its first place, and what is wrong there."""
    first = error.errors(include_url=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    message = f"{where}: {first['msg']}" if where else first["msg"]
    field = {"field": where} if where else None
    return BadRequestError(message, next_step="Correct the request's body.", data=field)


async def _raw(request: Request) -> bytes:
    parts, size = list[bytes](), 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > BODY_BYTES:
                message = f"the body has more than {BODY_BYTES} bytes"
                raise BadRequestError(message, next_step="Send less text.")
            parts.append(part)
    except ClientDisconnect as error:
        message = "the client disconnected while it sent its request"
        raise BadRequestError(message) from error
    return b"".join(parts)


def read_demand(request: Request) -> Demand:
    """Read the demand headers.

    Raises:
        BadRequestError: one of them has a value that does not fit.
    """
    values = {n: request.headers[h].strip() for n, h in HEADERS.items() if h in request.headers}
    try:
        return Demand(**DemandHeaders.model_validate(values).model_dump(exclude_unset=True))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        name = str(first["loc"][0])
        message = f"header {HEADERS[name]}: {values[name][:60]!r} does not fit"
        raise BadRequestError(message, next_step=f"{first['msg']}.") from error


def keep_alive_seconds(value: float | str | None) -> float | None:
    """Read Ollama's `keep_alive`: a number of seconds or a Go duration; negative means for ever.

    Raises:
        BadRequestError: it is neither.
    """
    if value is None or isinstance(value, int | float):
        return value
    if re.fullmatch(r"-?\d+(\.\d+)?", value):
        return float(value)
    if (found := GO_DURATION.fullmatch(value)) is None:
        message = f"keep_alive: {value[:60]!r} is not a duration"
        raise BadRequestError(message, next_step="Write seconds, or a duration such as 5m.")
    parts = re.findall(r"(\d+(?:\.\d+)?)(h|ms|m|s)", found[2])
    seconds = sum(float(number) * GO_SECONDS[unit] for number, unit in parts)
    return -seconds if found[1] else seconds
