"""The opening line of a connection."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atos_protocol.errors import AtosError, BadRequestError, NotFoundError
from atos_protocol.host_protocol import (
    ENTRIES,
    MAX_ROOTS,
    Opening,
    parse_opening,
    refusal,
    refused,
)

GOOD: dict[str, Any] = {"atos": 1, "server": "vram", "roots": ["/tmp"], "client": "python"}


def line(**changes: Any) -> bytes:
    return json.dumps({**GOOD, **changes}).encode()


def test_a_good_line_names_server_client_and_directories() -> None:
    opening = Opening("vram", "python", ("/tmp",))
    assert parse_opening(line()) == opening
    assert json.loads(opening.line()) == GOOD


def test_a_shim_also_names_its_manifest() -> None:
    opening = Opening("vram", "shim", manifest="abc")
    assert parse_opening(opening.line()).manifest == "abc"


def test_a_missing_list_of_directories_stands_for_the_workspaces() -> None:
    assert parse_opening(b'{"atos":1,"server":"host","client":"cli"}').roots == ()


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (None, BadRequestError),
        (b"", BadRequestError),
        (b"GET / HTTP/1.1", BadRequestError),
        (b"[" * 100_000, BadRequestError),
        (b"[1]", BadRequestError),
        (line(atos=2), BadRequestError),
        (line(server="shell"), NotFoundError),
        (line(server=None), NotFoundError),
        (line(server=["vram"]), NotFoundError),
        (line(client="browser"), BadRequestError),
        (line(client="http"), BadRequestError),
        (line(roots="/tmp"), BadRequestError),
        (line(roots=["relative"]), BadRequestError),
        (line(roots=["/a\0b"]), BadRequestError),
        (line(roots=[1]), BadRequestError),
        (line(roots=["/tmp"] * (MAX_ROOTS + 1)), BadRequestError),
    ],
)
def test_anything_else_is_refused_with_a_reason(raw: bytes | None, kind: type[AtosError]) -> None:
    with pytest.raises(kind) as caught:
        parse_opening(raw)
    assert caught.value.next_step
    back = refused(json.loads(refusal(caught.value)))
    assert back is not None
    assert back.to_wire() == caught.value.to_wire()


def test_another_protocol_is_told_as_another_version_and_how_to_settle_it() -> None:
    with pytest.raises(BadRequestError) as caught:
        parse_opening(line(atos=2))

    assert caught.value.message == "the server host speaks protocol 1, and its client protocol 2"
    assert "atos-client down" in caught.value.next_step


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)


@given(changes=st.dictionaries(st.sampled_from([*GOOD, "manifest"]), JSON))
def test_no_line_breaks_the_parser(changes: dict[str, Any]) -> None:
    with suppress(AtosError):
        assert parse_opening(line(**changes)).server in {*ENTRIES, "host"}
