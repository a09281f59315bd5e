"""The error hierarchy: one class per thing that can go wrong, the same on every side of a socket.

An error says what happened, with the numbers, and what to do next. It crosses a socket as
`{"code", "message", "next"}`; `from_wire` rebuilds the class from the code, so a caller catches
`NoModelError` whether it was raised here or two processes away.
"""

from __future__ import annotations

from typing import ClassVar


class AtosError(Exception):
    """Something the caller can act on.

    Attributes:
        code: stable name of the kind of error, safe to branch on.
        status: HTTP status that carries it.
        retry: whether the same request may succeed later without a change.
        message: what happened, with the numbers.
        next_step: what to do about it; may be empty when the message says it all.
    """

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    retry: ClassVar[bool] = False

    def __init__(self, message: str, *, next_step: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step

    def __str__(self) -> str:
        return f"{self.message} {self.next_step}".strip()

    def to_wire(self) -> dict[str, str]:
        """Return the form that crosses a socket: `code`, `message` and `next`."""
        return {"code": self.code, "message": self.message, "next": self.next_step}

    def to_text(self) -> str:
        """Return the form in which an MCP tool's error carries it; `from_text` reads it back."""
        return f"{self.code}: {self.message}" + (f" Next: {self.next_step}" * bool(self.next_step))


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
    """The reply ran into its length limit, so it is incomplete."""

    code = "length"
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
    """No rung of the sandbox that this code needs is to be had on this machine."""

    code = "sandbox_unavailable"
    status = 503


class UnsupportedError(AtosError):
    """The engine, system or protocol can't do this at all."""

    code = "unsupported"
    status = 501


def _family(cls: type[AtosError]) -> dict[str, type[AtosError]]:
    found = {cls.code: cls}
    for child in cls.__subclasses__():
        found |= _family(child)
    return found


def from_wire(error: dict[str, str]) -> AtosError:
    """Rebuild the error that another process put on the wire; an unknown code gives `AtosError`."""
    kind = _family(AtosError).get(error.get("code", ""), AtosError)
    return kind(error.get("message", "unknown error"), next_step=error.get("next", ""))


def from_text(text: str) -> AtosError:
    """Rebuild the error behind an MCP tool's error text, `code: message Next: step`."""
    code, colon, rest = text.partition(": ")
    if not colon or not code.replace("_", "").isalpha():
        return AtosError(text)
    message, _, step = rest.partition(" Next: ")
    return from_wire({"code": code, "message": message, "next": step})
