"""The bodies and headers of requests; the one place where input from a socket is checked."""

from __future__ import annotations

import re
from typing import Annotated, Any, TypeVar, cast

import anyio
import anyio.to_process
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import ClientDisconnect, Request

from atos_protocol.errors import BadRequestError, from_wire
from atos_protocol.scheduler_api import HEADERS, Demand, DemandClass

BODY_BYTES = 32 << 20
SMALL_BYTES = 1 << 20
"""Bodies up to this size are read at once: in some 10 ms, whatever they hold."""
MOST_VALUES = 50_000
"""Of a larger body."""
ASIDE_SECONDS = 60.0
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
    found = _checked(kind, raw) if len(raw) <= SMALL_BYTES else await _checked_aside(kind, raw)
    if isinstance(found, dict):
        raise from_wire(found)
    return found


async def _checked_aside(kind: type[Checked], raw: bytes) -> Checked | dict[str, Any]:
    """Check a large body in a process of its own: 30 MB of small values take seconds of the interpreter."""
    with anyio.move_on_after(ASIDE_SECONDS):
        return await anyio.to_process.run_sync(_checked_and_counted, kind, raw, cancellable=True)
    message = f"the body of {len(raw)} bytes was not read within {ASIDE_SECONDS:.0f} s"
    return BadRequestError(message, next_step="Send less at once.").to_wire()


def _checked(kind: type[Checked], raw: bytes) -> Checked | dict[str, Any]:
    """Return a body, or the error that it is, as it crosses between processes."""
    try:
        return kind.model_validate_json(raw)
    except ValidationError as error:
        return bad_body(error).to_wire()


def _checked_and_counted(kind: type[Checked], raw: bytes) -> Checked | dict[str, Any]:
    """Check a body, and refuse one of so many values that handing it over would hold the loop up."""
    fields = raw.count(b'":') - raw.count(b'\\":')  # quotes in a text are escaped
    if fields > MOST_VALUES:
        return _too_many(fields)
    found = _checked(kind, raw)
    if isinstance(found, dict) or (values := _values(found.model_dump())) <= MOST_VALUES:
        return found
    return _too_many(values)


def _too_many(values: int) -> dict[str, Any]:
    message = f"the body has {values} values, the most are {MOST_VALUES}"
    return BadRequestError(message, next_step="Send it in several requests.").to_wire()


def _values(body: dict[str, Any]) -> int:
    """Return how many values a body has, those inside of others included."""
    left, count = list[Any]([body]), 0
    while left:
        found = left.pop()
        if isinstance(found, dict):
            left += cast("dict[str, Any]", found).values()
        elif isinstance(found, list | tuple):
            left += cast("list[Any]", found)
        count += 1
    return count


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
