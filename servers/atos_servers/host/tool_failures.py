"""How a failed tool call is told: a result with `isError`, one text for models and one object for programs.

The text says what happened and what to do next; the object stands in `_meta` (`atos_protocol.errors`), never as
structured content, which TypeScript SDK 1.x holds against the tool's output schema even then. Unexpected exceptions
are masked, under an id that stands in the log.
"""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Mapping
from typing import Any

from fastmcp.exceptions import ToolError, ValidationError
from fastmcp.tools import ToolResult
from mcp.types import TextContent
from pydantic import ValidationError as PydanticError

from atos_protocol import errors
from atos_protocol.errors import MCP_META_KEY, AtosError
from atos_protocol.printable import printable
from atos_protocol.shortage import shortage_of
from atos_servers.host.right_call import right_call
from atos_servers.host.shown_text import LAYOUT

logger = logging.getLogger(__name__)


def error_result(error: AtosError) -> ToolResult:
    """Return the result that carries an error: a text for models, an object for programs."""
    text = TextContent(type="text", text=printable(error.to_text(), keep=LAYOUT))
    return ToolResult(content=[text], meta={MCP_META_KEY: error.to_wire()}, is_error=True)


def foreseen(error: Exception) -> AtosError | None:
    """Return the ATOS error that a failure is, or is the wrapping of."""
    cause = error if isinstance(error, AtosError) else error.__cause__
    return cause if isinstance(cause, AtosError) else None


def masked(name: str, error: Exception) -> AtosError:
    """Log an unexpected exception under an id, and return an error that names only the id."""
    mark = secrets.token_hex(4)
    logger.error("internal error %s in %s", mark, name, exc_info=error.__cause__ or error)
    return AtosError(
        f"{name} failed with an internal error", next_step=f"Look for {mark} in logs/servers.log."
    )


def no_longer_welcome() -> AtosError:
    """Return the error for a call whose token was revoked while it ran."""
    message = "the token of this call is not valid any more"
    return errors.UnauthorizedError(message, next_step="Ask the person for another one.")


def bad_arguments(name: str, cause: BaseException | None, schema: Mapping[str, Any]) -> AtosError:
    """Return the error for arguments that do not fit the tool's schema, with a call that would be right."""
    problems: list[Any] = cause.errors() if isinstance(cause, PydanticError) else []
    said = "; ".join(
        f"{'.'.join(str(part) for part in problem['loc']) or 'arguments'}: {problem['msg']}"
        for problem in problems[:5]
    )
    message = f"{name} can't be called like that: {said or cause}"
    known = ", ".join(schema.get("properties", {}))
    step = f"It takes: {known}. A right call: {right_call(name, schema)}"
    return errors.BadRequestError(message, next_step=step)


def explained(name: str, error: Exception, schema: Mapping[str, Any]) -> AtosError:
    """Return what a failure of a known tool, which has this input schema, is for its caller."""
    if (known := foreseen(error)) is not None:
        return known
    if isinstance(error, ValidationError):
        return bad_arguments(name, error.__cause__, schema)
    if isinstance(error, ToolError) and error.__cause__ is None:
        return AtosError(str(error))  # a tool's own words
    if (short := shortage(error)) is not None:
        logger.warning("%s can't be done now: %s", name, error.__cause__ or error)
        return short
    return masked(name, error)


def shortage(error: Exception) -> AtosError | None:
    """Return what a failure says of the machine, which is short of something; its paths are the host's own."""
    cause = error if isinstance(error, OSError) else error.__cause__
    if not isinstance(cause, OSError) or cause.errno is None:
        return None
    return shortage_of(OSError(cause.errno, os.strerror(cause.errno)))
