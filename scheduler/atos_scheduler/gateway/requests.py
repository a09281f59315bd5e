"""The bodies and headers of requests; the one place where input from a socket is checked."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import ClientDisconnect, Request

from atos_protocol.errors import BadRequestError
from atos_protocol.scheduler_api import HEADERS, Demand, DemandClass

BODY_BYTES = 4 << 20
DEFAULT_SECONDS = 600.0
"""Deadline, in seconds, of a request that names none."""
MOST_SECONDS = 3600.0
GO_DURATION = re.compile(r"(-?)((?:\d+(?:\.\d+)?(?:h|ms|m|s))+)")
GO_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}

Checked = TypeVar("Checked", bound=BaseModel)
Tokens = Annotated[int, Field(ge=-2, le=1 << 20)]


class Lenient(BaseModel):
    """Ollama's own bodies: clients of every version send them, so unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore")


class Strict(BaseModel):
    """Our own bodies: an unknown field is a mistake."""

    model_config = ConfigDict(extra="forbid")


class Options(Lenient):
    """The options that a request may set; how a model is loaded is frozen and not among them."""

    num_ctx: int | None = Field(default=None, ge=1)
    num_predict: Tokens | None = None
    temperature: float | None = Field(default=None, ge=0, le=10)
    seed: int | None = None
    stop: list[str] | str | None = None


class Message(Lenient):
    """One message of a conversation."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str = ""
    images: list[str] | None = None


class Generation(Lenient):
    """What chat and generate have in common."""

    model: str = Field(min_length=1, max_length=200)
    stream: bool = True
    format: dict[str, Any] | Literal["json", ""] | None = None
    options: Options = Options()
    keep_alive: float | str | None = None
    think: bool | str | None = None


class ChatBody(Generation):
    """Body of `POST /api/chat`."""

    messages: list[Message] = []
    tools: list[dict[str, Any]] | None = None


class GenerateBody(Generation):
    """Body of `POST /api/generate`."""

    prompt: str = ""
    system: str = ""
    raw: bool = False
    suffix: str = ""
    template: str = ""
    images: list[str] | None = None


class ModelBody(Lenient):
    """Body of `POST /api/show`; older clients call the field `name`."""

    model: str = Field(default="", max_length=200)
    name: str = Field(default="", max_length=200)


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
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        message = f"{where}: {first['msg']}" if where else first["msg"]
        raise BadRequestError(message, next_step="Correct the request's body.") from error


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
