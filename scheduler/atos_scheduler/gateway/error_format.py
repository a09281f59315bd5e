"""Errors in the format of the API whose route was called."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from atos_protocol.errors import AtosError
from atos_scheduler.gateway.reply_format import anthropic_error, openai_error
from atos_scheduler.gateway.responses import error_response, retry_headers


def error_for(path: str, error: AtosError) -> Response:
    """Return an error as a whole response."""
    if path.startswith("/v1/messages"):
        body = anthropic_error(error)
    elif path.startswith("/v1/"):
        body = openai_error(error)
    else:
        return error_response(error)
    return JSONResponse(body, status_code=error.status, headers=retry_headers(error))
