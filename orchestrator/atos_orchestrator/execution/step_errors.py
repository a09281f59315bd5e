"""What an error in a durable step means: one of three classes, decided here and nowhere else. Pure.

    verdict     of the task or the goal itself: recorded, and the goal ends as it says
    transient   trouble of the machine: never recorded while there is patience; the step waits and tries again
    defect      a bug, or an environment that a person must mend: recorded, the goal needs help, `retry` goes on

The classes go by the error's code, because an error may come from two processes away. What is no `AtosError`
gets one first (`as_atos_error`). docs/execution.md prints the table, and a test walks all codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, cast

from sqlalchemy.exc import DatabaseError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from atos_protocol.errors import AtosError, DeadlineError, UnreachableError
from atos_protocol.scheduler_api import ONLY_WAITED
from atos_protocol.shortage import shortage_of

StepErrorClass = Literal["verdict", "transient", "defect"]

HOURS = 6 * 3600.0
"""How long a step waits for something that comes back by itself."""
HOUR = 3600.0
"""The same for what took too long: a few tries of the longest call. Where it only waited, it is waited for (`HOURS`)."""
MINUTES = 300.0
"""The same where the next try may fail for a reason of its own: an engine that a prompt ends each time."""

PATIENCE: Mapping[str, float] = {
    "busy": HOURS,
    "unreachable": HOURS,
    "no_space": HOURS,
    "disk_full": HOURS,
    "engine": MINUTES,
    "deadline": HOUR,
    "io": MINUTES,
}
"""Code of a transient error -> seconds that a step goes on trying, from its first failure on."""

DEFECTS = frozenset(
    {
        "internal",
        "bad_config",
        "unauthorized",
        "no_model",
        "refused",
        "load_failed",
        "unsupported",
        "sandbox_unavailable",
        "wrong_bytes",
    }
)
"""Codes of what a person or a developer must mend before another try makes sense."""

_DATABASE_TROUBLE = (OperationalError, InternalError, InterfaceError, PoolTimeoutError)


def class_of(code: str) -> StepErrorClass:
    """Return the class of an error, by its code; an unknown code is the task's own."""
    if code in PATIENCE:
        return "transient"
    return "defect" if code in DEFECTS else "verdict"


def patience(error: Exception) -> float:
    """Return for how many seconds a step that fails so is tried again; 0: it is not."""
    if not isinstance(error, AtosError):
        return 0.0
    if error.code == DeadlineError.code and error.data.get(ONLY_WAITED):
        return HOURS
    return PATIENCE.get(error.code, MINUTES if error.retry else 0.0)


def as_atos_error(error: Exception, step: str) -> AtosError:
    """Return the error of a step as one that has a code; what nobody foresaw is `internal`."""
    if isinstance(error, ExceptionGroup):
        error = _first_foreseen(cast("ExceptionGroup[Exception]", error))
    if isinstance(error, AtosError):
        return error
    if is_database_trouble(error):
        driver = getattr(error, "orig", None) or error
        reason = next(iter(str(driver).splitlines()), type(driver).__name__)  # it may have no words
        return UnreachableError(
            f"the goals database does not work: {reason}", next_step="See `atos-client doctor`."
        )
    if (short := shortage_of(error)) is not None:
        return short
    message = f"{type(error).__name__} in step {step}: {error}"
    return AtosError(message, next_step="See logs/worker.log.")


def is_trouble_between_steps(error: Exception) -> bool:
    """Tell whether a body met trouble of the machine outside of its steps: what a step could not wait out is an `AtosError`.

    It is nothing to conclude from, least of all where steps are recorded beyond it: the body has to run again.
    """
    if isinstance(error, ExceptionGroup):
        error = _first_foreseen(cast("ExceptionGroup[Exception]", error))
    return (
        not isinstance(error, AtosError) and class_of(as_atos_error(error, "").code) == "transient"
    )


def is_database_trouble(error: BaseException) -> bool:
    """Tell whether the database itself failed: away, locked, full, read-only or damaged."""
    # SQLite's "file is not a database" has the base class and no other.
    return isinstance(error, _DATABASE_TROUBLE) or type(error) is DatabaseError


def _first_foreseen(group: ExceptionGroup[Exception]) -> Exception:
    """Return the first error that a task group wrapped, but a defect before all others."""
    leaves = list(_leaves(group))
    unforeseen = [error for error in leaves if as_atos_error(error, "").code == AtosError.code]
    return group if unforeseen else leaves[0]


def _leaves(group: ExceptionGroup[Exception]) -> list[Exception]:
    found = list[Exception]()
    for error in group.exceptions:
        nested = isinstance(error, ExceptionGroup)
        found += _leaves(cast("ExceptionGroup[Exception]", error)) if nested else [error]
    return found
