"""What the stdio shim says to whom: a pure state machine without a clock, socket or file.

    alone:  lists and handshakes are answered from the manifest; anything else asks for the host
    linked: lists and handshakes still are; the rest goes to the host and comes back

        alone --a request that the manifest can't answer--> (shell connects) --> linked
        linked --the host is gone--> alone; what it had not answered is answered with an error

The host's protocol era is decided by the first request it sees, so a client that began with
`initialize` has its handshake replayed at every link, and the replayed answer is swallowed. The
modern era has no handshake. Requests are known by their JSON-RPC id.

Standard library only, and little of it: this runs once per server of every MCP host.
"""

from __future__ import annotations

import json

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
CONNECTION_CLOSED = -32000
VERSION_KEY = "io.modelcontextprotocol/protocolVersion"


TYPE_CHECKING = False
if TYPE_CHECKING:  # importing `typing` for it would cost more than all of this module
    from typing import Any, TypeGuard

    Json = dict[str, Any]
    Answers = dict[str, Json]
    """`handshake` and `modern` -> `versions`, and `answers` by method."""


class Relay:
    """One client's conversation; the shell writes out `to_client` and `to_host` after each event."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._handshake: dict[str, bytes] = {}
        self._swallow: str | None = None
        self.linked = False
        self.unanswered: dict[str, None] = {}
        """Ids of the requests that wait for the host, in their order."""
        self.to_client: list[bytes] = []
        self.to_host: list[bytes] = []

    def from_client(self, line: bytes | None) -> None:
        """Take one line of the client's; None stands for one that was too long."""
        if line is None:
            return self._fail(None, INVALID_REQUEST, "the message is longer than 16 MiB")
        if not line.strip():
            return None
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            return self._fail(None, PARSE_ERROR, "the line is no JSON")
        if not _is_object(message):
            return self._fail(None, INVALID_REQUEST, "the line is no JSON-RPC 2.0 message")
        if "method" in message and "id" in message:
            return self._request(line, message)
        return self._notice(line, message)

    def from_host(self, line: bytes | None) -> None:
        """Take one line of the host's."""
        if line is None:
            return
        message = json.loads(line)
        if "method" not in message and "id" in message:
            identity = _key(message["id"])
            if self._swallow is not None and identity == self._swallow:
                self._swallow = None
                return
            self.unanswered.pop(identity, None)
        self.to_client.append(line)

    def link(self, answers: Answers | None) -> None:
        """Take note that a host is there; it has other `answers` when its version is another."""
        self.linked = True
        if "initialize" in self._handshake:
            self._swallow = _key(json.loads(self._handshake["initialize"])["id"])
        self.to_host[:0] = self._handshake.values()
        if answers is not None and answers != self._answers:
            self._answers = answers
            if self._handshake:  # the modern era forbids notices that nobody subscribed to
                notice = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
                self.to_client.append(json.dumps(notice).encode())

    def unlink(self, error: dict[str, str]) -> None:
        """Take note that the host is gone, or can't be had; tell every request that waits for it."""
        self.linked = False
        self._swallow = None
        self.to_host.clear()
        text = f"{error['code']}: {error['message']} Next: {error['next']}"
        for identity in list(self.unanswered):
            self._fail(json.loads(identity), CONNECTION_CLOSED, text, error)
        self.unanswered.clear()

    def _request(self, line: bytes, message: Json) -> None:
        method = str(message["method"])
        params: Any = message.get("params", {})
        if method == "initialize" and _is_object(params):
            self._handshake = {"initialize": line}
            return self._initialize(message["id"], params.get("protocolVersion"))
        result = self._known(method, params)
        if result is not None:
            return self._answer(message["id"], result)
        self.unanswered[_key(message["id"])] = None
        self.to_host.append(line)
        return None

    def _notice(self, line: bytes, message: Json) -> None:
        """Pass a notification, or an answer to a request of the host's, to a host that is there."""
        if message.get("method") == "notifications/initialized" and self._handshake:
            self._handshake["initialized"] = line
        if message.get("method") == "notifications/cancelled":
            params = message.get("params")
            if _is_object(params):
                self.unanswered.pop(_key(params.get("requestId")), None)
        if self.linked:
            self.to_host.append(line)

    def _initialize(self, identity: Any, wanted: Any) -> None:
        era = self._answers["handshake"]
        version = wanted if wanted in era["versions"] else era["versions"][-1]
        self._answer(identity, {**era["answers"]["initialize"], "protocolVersion": version})

    def _known(self, method: str, params: Any) -> Json | None:
        """Return the manifest's answer, if it has one for a request of this form and era."""
        if not _is_object(params) or params.keys() - {"_meta"}:
            return None
        meta = params.get("_meta")
        if _is_object(meta) and VERSION_KEY in meta:
            era = self._answers["modern"]
            fits = not self._handshake and meta[VERSION_KEY] in era["versions"]
        else:
            era, fits = self._answers["handshake"], bool(self._handshake)
        return era["answers"].get(method) if fits else None

    def _answer(self, identity: Any, result: Json) -> None:
        reply = {"jsonrpc": "2.0", "id": identity, "result": result}
        self.to_client.append(json.dumps(reply).encode())

    def _fail(self, identity: Any, code: int, text: str, data: Any = None) -> None:
        error = {"code": code, "message": text, **({"data": data} if data else {})}
        reply = {"jsonrpc": "2.0", "id": identity, "error": error}
        self.to_client.append(json.dumps(reply).encode())


def _is_object(value: Any) -> TypeGuard[Json]:
    return isinstance(value, dict)


def _key(identity: Any) -> str:
    """Return an id as text, in which 1 and "1" differ and any JSON value is hashable."""
    return json.dumps(identity)
