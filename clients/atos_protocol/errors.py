"""The error hierarchy: one class per kind of failure, the same on every side of a socket.

An error says what happened, with the numbers, and what to do next. It crosses a socket as the JSON
object of `to_wire`; `from_wire` rebuilds it, so a caller catches `NoModelError` whether it was raised
here or two processes away. A code that this process does not know (a newer daemon's, or one whose
class another package defines) gives an `AtosError` that carries it all the same: nothing is lost at
a boundary. Over MCP the object travels in the result's `_meta` under `MCP_META_KEY`, with `to_text`
beside it for people and models; it is never parsed back out of prose. Keys and passwords are taken out where
an error is made (`redaction`), so no log, event, reply or record of it holds one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from atos_protocol.redaction import redacted, redacted_value

MCP_META_KEY = "atos/error"
"""Where an MCP result with `isError` carries the error's wire form."""

_KNOWN: dict[str, type[AtosError]] = {}
"""Code -> class, of every class that this process has imported."""


class AtosError(Exception):
    """Something the caller can act on.

    Attributes:
        code: stable name of the kind of error, safe to branch on.
        status: HTTP status that carries it.
        retry: whether the same request may succeed later without a change.
        message: what happened, with the numbers.
        next_step: what to do about it; may be empty when the message says it all.
        data: the numbers and names of the message, for programs; JSON values by name.
    """

    code: str = "internal"
    status: int = 500
    retry: bool = False

    def __init_subclass__(cls) -> None:
        _KNOWN.setdefault(cls.code, cls)

    def __init__(
        self, message: str, *, next_step: str = "", data: Mapping[str, Any] | None = None
    ) -> None:
        self.message = redacted(message)
        self.next_step = redacted(next_step)
        self.data: dict[str, Any] = redacted_value(data or {})
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message} {self.next_step}".strip()

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON object that crosses a socket; `from_wire` reads it."""
        return {
            "code": self.code,
            "message": self.message,
            "next": self.next_step,
            "status": self.status,
            "retry": self.retry,
            "data": self.data,
        }

    def to_text(self) -> str:
        """Return one line for people and models: `code: message Next: step`."""
        return f"{self.code}: {self.message}" + (f" Next: {self.next_step}" * bool(self.next_step))


_KNOWN[AtosError.code] = AtosError


def from_wire(wire: Any) -> AtosError:
    """Rebuild the error that another process sent; anything that is not one gives code `internal`."""
    fields = _object(wire)
    code = str(fields.get("code") or AtosError.code)
    error = _KNOWN.get(code, AtosError)(
        str(fields.get("message") or f"an error without a message: {str(wire)[:200]}"),
        next_step=str(fields.get("next") or ""),
        data=_object(fields.get("data")),
    )
    error.code = code
    error.retry = bool(fields.get("retry", error.retry))
    status: Any = fields.get("status", error.status)
    error.status = status if isinstance(status, int) and 400 <= status <= 599 else error.status
    return error


def known_errors() -> dict[str, type[AtosError]]:
    """Return every error class that this process has imported, by its code."""
    return dict(_KNOWN)


def _object(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


class BadRequestError(AtosError):
    """The request itself is wrong: its shape, a value, or a size."""

    code = "bad_request"
    status = 400


class BadConfigError(AtosError):
    """A settings file can't be used; the message names file, line and field."""

    code = "bad_config"
    status = 500


class UnauthorizedError(AtosError):
    """The token is missing or wrong."""

    code = "unauthorized"
    status = 401


class NotFoundError(AtosError):
    """There is no such goal, task, file or tool."""

    code = "not_found"
    status = 404


class ConflictError(AtosError):
    """The request contradicts the present state, such as a second goal under one key."""

    code = "conflict"
    status = 409


class NoModelError(AtosError):
    """No model can do this work here: nothing is installed, or the named one is unknown."""

    code = "no_model"
    status = 404


class OutOfScopeError(NoModelError):
    """Only the demonstration model is here, and the goal lies outside its catalogue."""

    code = "out_of_scope"
    status = 404


class RefusedError(AtosError):
    """The demand can never be met within the budget."""

    code = "refused"
    status = 409


class ContextError(AtosError):
    """The prompt is longer than the model's context."""

    code = "context"
    status = 400


class LengthError(AtosError):
    """The reply is incomplete: it ran into its length limit, repeated itself, or is empty."""

    code = "length"
    status = 422


class RepetitionError(LengthError):
    """The reply repeated itself without end, so it was ended early."""

    code = "repetition"
    status = 422


class EmptyReplyError(LengthError):
    """The model ended its reply without having written anything."""

    code = "empty_reply"
    status = 422


class BusyError(AtosError):
    """Too much work waits already."""

    code = "busy"
    status = 503
    retry = True


class LoadFailedError(AtosError):
    """An engine could not load a model; the message carries the engine's reason."""

    code = "load_failed"
    status = 500


class EngineError(AtosError):
    """An engine failed while it worked on a request."""

    code = "engine"
    status = 502
    retry = True


class UnreachableError(AtosError):
    """A daemon or server does not answer."""

    code = "unreachable"
    status = 503
    retry = True


class DeadlineError(AtosError):
    """The work did not end before its deadline."""

    code = "deadline"
    status = 504
    retry = True


class CancelledWorkError(AtosError):
    """The work was cancelled by somebody's request."""

    code = "cancelled"
    status = 499


class WorkspaceError(AtosError):
    """A path, repository or workspace can't be used as asked."""

    code = "workspace"
    status = 400


class SandboxUnavailableError(AtosError):
    """The machine offers no sandbox strong enough for this code, or none in which Python works."""

    code = "sandbox_unavailable"
    status = 503


class PackagesError(AtosError):
    """Packages can't be installed: no wheel fits, no index answers, or they contradict each other."""

    code = "packages"
    status = 502


class UnsupportedError(AtosError):
    """The engine, system or protocol can't do this at all."""

    code = "unsupported"
    status = 501


class LimitReachedError(AtosError):
    """A goal has used up the time or the model calls that it was allowed."""

    code = "limit_reached"
    status = 409


class PlanRejectedError(AtosError):
    """A plan can't be repaired into one that may run."""

    code = "plan_rejected"
    status = 422


class NoSpaceError(AtosError):
    """The disk has no room for what was asked for."""

    code = "no_space"
    status = 507


class WrongBytesError(AtosError):
    """A file is not the one that was published: its size or sha256 differs."""

    code = "wrong_bytes"
    status = 502


USAGE_ERRORS = (BadRequestError, BadConfigError, WorkspaceError, NotFoundError)


def exit_code(error: AtosError) -> int:
    """Return the exit code that tells a script whose fault an error is."""
    if isinstance(error, NoModelError):
        return 3
    if isinstance(error, UnauthorizedError):  # of the command line: a person has not agreed
        return 4
    return 2 if isinstance(error, USAGE_ERRORS) else 1
