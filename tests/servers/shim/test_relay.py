"""The shim's state machine: what it answers itself, what it passes on, and what a lost host costs."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from atos_servers.shim.relay import Relay

ANSWERS: dict[str, Any] = {
    "handshake": {
        "versions": ["2025-06-18", "2025-11-25"],
        "answers": {
            "initialize": {"serverInfo": {"name": "s"}, "capabilities": {}},
            "tools/list": {"tools": ["old"]},
            "ping": {},
        },
    },
    "modern": {
        "versions": ["2026-07-28"],
        "answers": {"server/discover": {"d": 1}, "tools/list": {"tools": ["new"]}},
    },
}
LOST = {"code": "unreachable", "message": "it ended.", "next": "Ask again."}
META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}


def request(method: str, identity: Any = 1, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": identity, "method": method, "params": params}


def notice(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": method, "params": params}


def result(value: Any, identity: Any = 1) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": identity, "result": value}


def lost(identity: Any) -> dict[str, Any]:
    text = "unreachable: it ended. Next: Ask again."
    error = {"code": -32000, "message": text, "data": LOST}
    return {"jsonrpc": "2.0", "id": identity, "error": error}


HELLO = request("initialize", 0, protocolVersion="2025-11-25")
READY = notice("notifications/initialized")
CALL = request("tools/call", 7, name="status")


class Talk:
    """A relay, and what it has said since the last look."""

    def __init__(self) -> None:
        self.relay = Relay(ANSWERS)

    def client(self, *messages: dict[str, Any]) -> "Talk":
        for message in messages:
            self.relay.from_client(json.dumps(message).encode())
        return self

    def host(self, *messages: dict[str, Any]) -> "Talk":
        for message in messages:
            self.relay.from_host(json.dumps(message).encode())
        return self

    def linked(self) -> "Talk":
        self.relay.connected(None)
        return self

    @property
    def to_client(self) -> list[Any]:
        return _drain(self.relay.to_client)

    @property
    def to_host(self) -> list[Any]:
        return _drain(self.relay.to_host)


def _drain(lines: list[bytes]) -> list[Any]:
    said = [json.loads(line) for line in lines]
    lines.clear()
    return said


def test_a_handshake_and_its_lists_need_no_host() -> None:
    talk = Talk().client(HELLO, READY, request("tools/list"), request("ping", "p"))
    assert talk.to_client == [
        result(
            {"serverInfo": {"name": "s"}, "capabilities": {}, "protocolVersion": "2025-11-25"}, 0
        ),
        result({"tools": ["old"]}),
        result({}, "p"),
    ]
    assert talk.to_host == []


def test_an_older_version_is_kept_and_an_unknown_one_becomes_the_newest() -> None:
    for wanted, given_back in (
        ("2025-06-18", "2025-06-18"),
        ("1999", "2025-11-25"),
        (3, "2025-11-25"),
    ):
        talk = Talk().client(request("initialize", protocolVersion=wanted))
        assert talk.to_client[0]["result"]["protocolVersion"] == given_back


def test_the_modern_era_needs_no_host_either() -> None:
    talk = Talk().client(
        request("server/discover", _meta=META), request("tools/list", 2, _meta=META)
    )
    assert talk.to_client == [result({"d": 1}), result({"tools": ["new"]}, 2)]
    assert talk.to_host == []


def test_what_the_manifest_does_not_know_is_for_the_host() -> None:
    odd = [
        request("tools/list", 1),  # before any handshake, of no era
        request("tools/list", 2, _meta={**META, "io.modelcontextprotocol/protocolVersion": "2030"}),
        request("tools/list", 3, _meta=META, cursor="x"),
        request("completion/complete", 4, _meta=META),
        {"jsonrpc": "2.0", "id": 5, "method": "tools/list", "params": 3},
    ]
    talk = Talk().client(*odd)
    assert talk.to_client == []
    assert talk.to_host == odd


def test_a_list_of_the_other_era_is_for_the_host_to_refuse() -> None:
    talk = Talk().client(HELLO, READY, request("tools/list", 2, _meta=META))
    assert [message["id"] for message in talk.to_host] == [2]


def test_a_link_replays_the_handshake_before_the_request_and_swallows_its_answer() -> None:
    talk = Talk().client(HELLO, READY, CALL)
    assert talk.to_client
    talk.linked()
    assert talk.to_host == [HELLO, READY, CALL]
    talk.host(result({"from": "host"}, 0), result("done", 7))
    assert talk.to_client == [result("done", 7)]
    assert talk.relay.unanswered == {}


def test_a_modern_link_has_nothing_to_replay() -> None:
    call = request("tools/call", 7, _meta=META)
    assert Talk().client(call).linked().to_host == [call]


def test_an_answer_to_a_later_request_of_the_same_id_is_not_swallowed() -> None:
    talk = Talk().client(HELLO, READY, CALL).linked().host(result({}, 0))
    talk.client(request("tools/call", 0))
    assert talk.host(result("second", 0)).to_client[-1] == result("second", 0)


def test_numbers_and_texts_are_different_ids() -> None:
    talk = Talk().client(request("tools/call", 1), request("tools/call", "1")).linked()
    talk.host(result("x", "1"))
    talk.relay.disconnected(LOST)
    assert talk.to_client == [result("x", "1"), lost(1)]


def test_a_lost_host_fails_what_it_had_not_answered_and_the_next_request_links_again() -> None:
    talk = Talk().client(HELLO, READY, CALL, request("tools/call", 8)).linked()
    talk.host(result({}, 0), result("done", 7))
    talk.relay.disconnected(LOST)
    assert talk.to_client[-2:] == [result("done", 7), lost(8)]
    assert talk.relay.state == "standalone"
    _ = talk.to_host
    talk.client(request("tools/call", 9)).linked()
    assert [message.get("id") for message in talk.to_host] == [0, None, 9]


def test_a_cancelled_request_is_not_answered_when_the_host_is_lost() -> None:
    talk = Talk().client(CALL).linked().client(notice("notifications/cancelled", requestId=7))
    talk.relay.disconnected(LOST)
    assert talk.to_client == []


def test_notices_wake_no_host_but_reach_one_that_is_there() -> None:
    changed = notice("notifications/roots/list_changed")
    talk = Talk().client(HELLO, changed)
    assert talk.to_host == []
    assert talk.linked().client(changed).to_host == [HELLO, changed]


def test_requests_and_answers_pass_between_a_host_and_its_client() -> None:
    talk = Talk().client(CALL).linked()
    asked = request("elicitation/create", "s1")
    assert talk.host(asked).to_client == [asked]
    answered = result({"action": "accept"}, "s1")
    assert talk.client(answered).to_host[-1] == answered


def test_a_host_of_another_version_changes_the_lists_and_says_so() -> None:
    other = json.loads(json.dumps(ANSWERS).replace("old", "newer"))
    talk = Talk().client(HELLO, READY, CALL)
    _ = talk.to_client
    talk.relay.connected(other)
    assert talk.to_client == [{"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}]
    assert talk.client(request("tools/list")).to_client == [result({"tools": ["newer"]})]


def test_a_modern_client_is_sent_no_notice_that_it_has_not_subscribed_to() -> None:
    other = json.loads(json.dumps(ANSWERS).replace("new", "newer"))
    talk = Talk().client(request("tools/call", _meta=META))
    talk.relay.connected(other)
    assert talk.to_client == []
    assert talk.client(request("tools/list", _meta=META)).to_client == [
        result({"tools": ["newer"]})
    ]


def test_bad_lines_are_answered_by_the_shim() -> None:
    talk = Talk()
    for line in (b"nonsense", b"[" * 50_000, b"[1]", None, b"", b"  "):
        talk.relay.from_client(line)
    assert [reply["error"]["code"] for reply in talk.to_client] == [-32700, -32700, -32600, -32600]
    assert talk.to_host == []


MESSAGES = st.sampled_from(
    [HELLO, READY, CALL, request("tools/list", 2), request("ping", 3), request("tools/call", 8)]
)


@given(script=st.lists(MESSAGES | st.sampled_from(["link", "answer", "lose"]), max_size=30))
def test_every_request_is_answered_exactly_once(script: list[Any]) -> None:
    """Whatever happens to hosts: no request is lost and none is answered twice."""
    talk, asked, answered = Talk(), 0, 0
    waiting: list[Any] = []
    script.append("lose")
    for step in script:
        match step:
            case "link":
                if talk.relay.to_host and talk.relay.state == "standalone":
                    talk.linked()
            case "answer":
                if waiting:
                    talk.host(result("x", waiting.pop(0)))
            case "lose":
                talk.relay.disconnected(LOST)
                waiting.clear()
            case _:
                if json.dumps(step.get("id")) in talk.relay.unanswered:
                    continue  # a client uses no id twice at a time
                asked += "id" in step
                talk.client(step)
        if talk.relay.state == "connected":
            waiting += [m["id"] for m in talk.to_host if "id" in m]
        answered += len(talk.to_client)
    assert answered == asked
