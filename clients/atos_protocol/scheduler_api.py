"""What crosses the scheduler's socket, as plain dataclasses (standard library only).

The daemon validates what comes in with pydantic; everyone else builds and reads these. All times
are epoch seconds (`float`), all durations seconds (`float`), all sizes bytes (`int`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from typing import Any, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

PROTOCOL = 1
"""Raised when a change would break an older client."""

POOL_PREFIX = "atos/"
"""A `model` of this form in a request names a pool: `atos/simple`."""

ONLY_WAITED = "only_waited"
"""In the data of a `DeadlineError`: true where no model was free in all that time, so that nothing about the request was slow."""

HEADERS = {
    "goal": "x-atos-goal",
    "task": "x-atos-task",
    "role": "x-atos-role",
    "kind": "x-atos-class",
    "priority": "x-atos-priority",
    "deadline": "x-atos-deadline",
    "expected_tokens": "x-atos-expected-tokens",
}
"""Field of `Demand` -> request header that carries it."""

DemandClass = Literal["interactive", "batch"]
Dialect = Literal["chat", "catalogue"]
"""What a pool's prompts look like: a conversation, or the fixed sentences of a model trained on a catalogue."""
ResidencyState = Literal["loading", "resident", "evicting"]


@dataclass(frozen=True, slots=True)
class Demand:
    """Why a request is made and how urgent it is; every field may be left out."""

    goal: str = ""
    task: str = ""
    role: str = ""
    kind: DemandClass = "batch"
    priority: int = 0
    deadline: float = 0.0
    """Seconds from now after which the answer is worthless; 0 means the server's default."""
    expected_tokens: int = 0
    client: str = ""
    """The named client of the gateway from whose port it came; no header carries it."""

    def to_headers(self) -> dict[str, str]:
        """Return the request headers that carry this demand, leaving defaults out."""
        plain = Demand()
        return {
            header: str(getattr(self, name))
            for name, header in HEADERS.items()
            if getattr(self, name) != getattr(plain, name)
        }


@dataclass(frozen=True, slots=True)
class Device:
    """One budget: a GPU, or the machine's memory."""

    name: str
    kind: Literal["cuda", "cpu", "simulated"]
    total: int
    budget: int
    """Bytes that ATOS may commit."""
    committed: int
    """Bytes of everything loading, resident or evicting."""
    foreign: int
    """Bytes that other programs use."""


@dataclass(frozen=True, slots=True)
class Residency:
    """One model that occupies memory."""

    model: str
    engine: str
    device: str
    state: ResidencyState
    bytes: int
    measured: bool
    """False while `bytes` is an estimate."""
    slots: int
    leases: int


@dataclass(frozen=True, slots=True)
class Lease:
    """One request that is being answered, or waits for its grant."""

    id: str
    state: Literal["waiting", "held"]
    model: str
    pool: str
    goal: str
    task: str
    seconds: float
    """How long it has waited or been held."""
    client: str = ""
    """The named client of the gateway that asked; empty: ATOS itself."""


@dataclass(frozen=True, slots=True)
class Pool:
    """A promise to whoever sends prompts to `atos/<name>`."""

    name: str
    context: int
    """Tokens of prompt and reply together."""
    output: int
    """Most tokens of one reply."""
    system: bool
    """Whether a system message is understood."""
    schema: bool
    """Whether a JSON schema constrains the reply."""
    dialect: Dialect
    members: tuple[str, ...] = ()
    """Models that keep the contract and can be used now, first choice first."""
    missing: tuple[str, ...] = ()
    """Listed models that are not installed, or why a member was refused."""
    samples: int = 1
    """Most candidates that one task asks of this pool before it looks elsewhere."""
    reflect: bool = False
    """Whether a model of this pool is asked why a candidate failed."""
    parallel: int = 1
    """Requests at once that are answered faster than one after another, by the first member."""


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """Whether an engine can be used, and why not."""

    name: str
    ok: bool
    models: int
    reason: str = ""
    shortfall: str = ""
    """What protects less on this machine than it should, in one line."""


@dataclass(frozen=True, slots=True)
class Status:
    """Answer of `GET /atos/v1/status`."""

    version: str
    pid: int
    instance: str
    """Changes with every start: plans must be published again."""
    uptime: float
    devices: tuple[Device, ...] = ()
    residencies: tuple[Residency, ...] = ()
    leases: tuple[Lease, ...] = ()
    pools: tuple[Pool, ...] = ()
    engines: tuple[EngineStatus, ...] = ()
    plans: tuple[str, ...] = ()
    notice: str = ""
    """What this machine has and nothing here can use, with the one command that helps; "" if nothing."""
    paused: bool = False
    """Whether models are kept out of memory until `atos-client scheduler resume`."""
    protocol: int = PROTOCOL


@dataclass(frozen=True, slots=True)
class PlannedTask:
    """One task of a published plan."""

    id: str
    depends_on: tuple[str, ...]
    state: str
    pool: str
    calls: int = 1
    """Model calls that remain, as far as anyone can tell."""
    tokens: int = 0
    """Tokens that remain."""
    off_gpu: float = 0.0
    """Seconds of work between the calls that need no model."""


@dataclass(frozen=True, slots=True)
class PlanHint:
    """Body of `PUT /atos/v1/plans/{goal}`: a hint, never a condition of correctness."""

    revision: int
    ttl: float
    """Seconds after which the hint is forgotten unless it is published again."""
    tasks: tuple[PlannedTask, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Answer:
    """A model's complete reply, and who gave it when."""

    text: str
    reason: str
    """`stop`, or `length` if it ran into its limit and so is incomplete."""
    model: str
    """The concrete model that answered, also where a pool was asked."""
    engine: str
    pool: str
    lease: str
    queued: float
    """Seconds between the demand and the engine call, a load included."""
    started_at: float
    """Epoch seconds at the engine call itself, after any wait; likewise the end."""
    ended_at: float
    prompt_tokens: int
    """Tokens of the whole prompt, the reply's given beginning included."""
    tokens: int
    """Tokens that the model wrote."""
    reused_tokens: int = 0
    """Tokens of the prompt that the engine remembered; 0 where it does not say."""
    prompt_seconds: float = 0.0
    """Time to read the rest of the prompt."""
    seconds: float = 0.0
    """Time to write the reply."""
    loading: float = 0.0
    """Seconds of `queued` in which the model was loaded."""
    load_why: str = ""
    """Why it was loaded, where it was."""
    load_victims: tuple[str, ...] = ()
    """What had to go for it."""


Known = TypeVar("Known")


def parse(kind: type[Known], data: Any) -> Known:
    """Build one of this module's dataclasses from what `json.loads` made of it.

    Fields that this version does not know are let pass, so a newer daemon may add some.

    Raises:
        ValueError: a field is missing, or the data has another shape.
    """
    if not isinstance(data, dict):
        message = f"{kind.__name__} is not an object but {type(data).__name__}"
        raise ValueError(message)  # noqa: TRY004 - one class for everything that does not parse
    values = {name: _value(hint, data[name]) for name, hint in _hints(kind).items() if name in data}
    try:
        return kind(**values)
    except TypeError as error:
        message = f"{kind.__name__}: {error}"
        raise ValueError(message) from error


@cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {f.name: hints[f.name] for f in fields(kind)}


def _value(hint: Any, data: Any) -> Any:
    if get_origin(hint) is tuple and isinstance(data, list):
        item = get_args(hint)[0]
        return tuple(_value(item, each) for each in cast("list[Any]", data))
    if isinstance(hint, type) and is_dataclass(hint):
        return parse(hint, data)
    return data
