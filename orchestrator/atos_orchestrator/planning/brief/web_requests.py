"""What is asked of a web application, what it answers, and the assertion that says both. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from atos_orchestrator.web_application import WebApplication, WebFramework


@dataclass(frozen=True, slots=True)
class WebRequest:
    """A request as a goal writes it."""

    method: Literal["get", "post", "put", "patch", "delete"] | str
    path: str
    """With its query: `/add?a=2&b=3`."""
    body: str = ""
    """Python source of the JSON that is sent; empty for none."""

    @property
    def root(self) -> str:
        """The first part of its path: `notes` of `/notes/1?full=1`."""
        return self.path.partition("?")[0].strip("/").partition("/")[0]

    @property
    def source(self) -> str:
        """The call of a test client that sends it: Flask's and FastAPI's are alike."""
        body = f", json={self.body}" if self.body else ""
        return f"{self.method}({self.path!r}{body})"


@dataclass(frozen=True, slots=True)
class Answer:
    """One thing that is said of an answer."""

    kind: Literal["status", "json", "text"]
    value: str
    """Python source."""
    denied: bool = False
    """It is not to be answered."""

    def source(self, framework: WebFramework) -> str:
        """Return what follows the request's call in an assertion."""
        looked_at = {"status": "status_code", "json": framework.json, "text": framework.text}
        return f"{looked_at[self.kind]} {'!=' if self.denied else '=='} {self.value}"


def assertion_of(
    application: WebApplication,
    earlier: Sequence[WebRequest],
    request: WebRequest,
    answer: Answer,
) -> str:
    """Return the assertion that an application gives an answer, after the requests that come before it.

    Args:
        application: what is asked.
        earlier: sent first, in the same session.
        request: what is asked.
        answer: what it is to answer.
    """
    said = answer.source(application.framework)
    if not earlier:
        return application.row(f"assert {application.client}.{request.source}.{said}")
    lines = [f"client = {application.client}", *(f"client.{each.source}" for each in earlier)]
    return application.row("\n".join([*lines, f"assert client.{request.source}.{said}"]))
