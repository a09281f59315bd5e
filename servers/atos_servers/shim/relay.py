"""The shim's protocol logic as a pure state machine, without a clock, socket or file.

`standalone`: lists and handshakes are answered from the manifest; anything else asks for the host.
`connected`: lists and handshakes still are; the rest goes to the host and its replies come back. When
the host is gone, requests that it had not answered are answered with an error. States: `TRANSITIONS`.

The host chooses the protocol era by the first request it sees, so a client that began with `initialize`
has its handshake replayed at every connection, and the second reply to it is dropped. The modern era
has no handshake. Requests are identified by their JSON-RPC id.

Standard library only, and little of it: this runs once per server of every MCP host.
"""

from __future__ import annotations

import json

from atos_protocol.toolsets import Selection

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
CONNECTION_CLOSED = -32000
VERSION_KEY = "io.modelcontextprotocol/protocolVersion"

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing `typing` for it would cost more than all of this module
    from typing import Any, Literal, TypeGuard

    Json = dict[str, Any]
    Answers = dict[str, Json]
    """`handshake` and `modern` -> `versions`, and `answers` by method; `toolsets` of the server `all`."""
    State = Literal["standalone", "connected"]

TRANSITIONS: dict[State, frozenset[State]] = {
    "standalone": frozenset({"connected", "standalone"}),
    "connected": frozenset({"standalone"}),
}
"""`standalone` to `standalone`: the host can't be started, or refuses."""


class Relay:
    """One client's session; the stdio loop writes out `to_client` and `to_host` after each event."""

    def __init__(self, answers: Answers, selection: Selection | None = None) -> None:
        self._answers = answers
        self._selection = selection or Selection()
        self._handshake: dict[str, bytes] = {}
        self._dropped_reply: str | None = None
        self.state: State = "standalone"
        self.unanswered: dict[str, None] = {}
        """Ids of the requests that wait for the host, in order."""
        self.to_client: list[bytes] = []
        self.to_host: list[bytes] = []

    def from_client(self, line: bytes | None) -> None:
        """Handle one line from the client; None stands for one that was too long."""
        if line is None:
            return self._fail(None, INVALID_REQUEST, "the message is longer than 16 MiB")
        if not line.strip():
            return None
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            return self._fail(None, PARSE_ERROR, "the line is not JSON")
        if not _is_object(message):
            return self._fail(None, INVALID_REQUEST, "the line is not a JSON-RPC 2.0 message")
        if "method" in message and "id" in message:
            return self._request(line, message)
        return self._notification(line, message)

    def from_host(self, line: bytes | None) -> None:
        """Handle one line from the host."""
        if line is None:
            return
        message = json.loads(line)
        if "method" not in message and "id" in message:
            identity = _key(message["id"])
            if self._dropped_reply is not None and identity == self._dropped_reply:
                self._dropped_reply = None
                return
            self.unanswered.pop(identity, None)
        self.to_client.append(line)

    def connected(self, answers: Answers | None) -> None:
        """Handle a new connection to a host, which has `answers` if its version is another."""
        self._enter("connected")
        if "initialize" in self._handshake:
            self._dropped_reply = _key(json.loads(self._handshake["initialize"])["id"])
        self.to_host[:0] = self._handshake.values()
        if answers is not None and answers != self._answers:
            self._answers = answers
            if self._handshake:  # the modern era forbids notifications without a subscription
                notification = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
                self.to_client.append(json.dumps(notification).encode())

    def disconnected(self, error: dict[str, str]) -> None:
        """Fail every request that waits for a host that is gone or can't be reached."""
        self._enter("standalone")
        self._dropped_reply = None
        self.to_host.clear()
        text = f"{error['code']}: {error['message']} Next: {error['next']}"
        for identity in list(self.unanswered):
            self._fail(json.loads(identity), CONNECTION_CLOSED, text, error)
        self.unanswered.clear()

    def _enter(self, state: State) -> None:
        if state not in TRANSITIONS[self.state]:
            message = f"a relay does not go from {self.state} to {state}"
            raise AssertionError(message)
        self.state = state

    def _request(self, line: bytes, message: Json) -> None:
        method = str(message["method"])
        params: Any = message.get("params", {})
        if method == "initialize" and _is_object(params):
            self._handshake = {"initialize": line}
            return self._initialize(message["id"], params.get("protocolVersion"))
        result = self._from_manifest(method, params)
        if result is not None:
            return self._answer(message["id"], result)
        self.unanswered[_key(message["id"])] = None
        self.to_host.append(line)
        return None

    def _notification(self, line: bytes, message: Json) -> None:
        """Forward a notification, or a reply to one of the host's requests, to a connected host."""
        if message.get("method") == "notifications/initialized" and self._handshake:
            self._handshake["initialized"] = line
        if message.get("method") == "notifications/cancelled":
            params = message.get("params")
            if _is_object(params):
                self.unanswered.pop(_key(params.get("requestId")), None)
        if self.state == "connected":
            self.to_host.append(line)

    def _initialize(self, identity: Any, wanted: Any) -> None:
        era = self._answers["handshake"]
        version = wanted if wanted in era["versions"] else era["versions"][-1]
        self._answer(identity, {**era["answers"]["initialize"], "protocolVersion": version})

    def _from_manifest(self, method: str, params: Any) -> Json | None:
        """Return the manifest's answer, if it has one for a request of this form and era."""
        if not _is_object(params) or params.keys() - {"_meta"}:
            return None
        meta = params.get("_meta")
        if _is_object(meta) and VERSION_KEY in meta:
            era = self._answers["modern"]
            fits = not self._handshake and meta[VERSION_KEY] in era["versions"]
        else:
            era, fits = self._answers["handshake"], bool(self._handshake)
        found = era["answers"].get(method) if fits else None
        if found is None or method != "tools/list" or "toolsets" not in self._answers:
            return found
        return {**found, "tools": self._selection.of(found["tools"], self._answers["toolsets"])}

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
