"""The authenticated report stream, writer and reader together."""

import hashlib
import hmac
import os
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atos_servers.code_runner.evidence import read_stream
from atos_servers.code_runner.sandbox.report import RECORD_BYTES, chained_writer

KEY = b"k" * 32
records = st.lists(
    st.fixed_dictionaries(
        {"event": st.just("test"), "id": st.text(max_size=40), "outcome": st.just("passed")}
    ),
    max_size=12,
)


def written(events: list[dict[str, Any]], key: bytes = KEY) -> bytes:
    reading, writing = os.pipe()
    emit = chained_writer(writing, key)
    for event in events:
        emit(event)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        return pipe.read()


@given(records)
def test_what_was_written_is_read_back(events: list[dict[str, Any]]) -> None:
    stream = read_stream(written(events), KEY)
    assert (list(stream.records), stream.intact) == (events, True)


@given(records.filter(len), st.data())
def test_a_changed_byte_ends_belief_at_its_line(
    events: list[dict[str, Any]], data: st.DataObject
) -> None:
    honest = bytearray(written(events))
    place = data.draw(st.integers(0, len(honest) - 1))
    honest[place] ^= 1
    stream = read_stream(bytes(honest), KEY)
    believed = list(stream.records)
    assert believed == events[: len(believed)]
    assert len(believed) < len(events)


@given(records.filter(lambda events: len(events) > 1), st.data())
def test_a_line_left_out_is_noticed(events: list[dict[str, Any]], data: st.DataObject) -> None:
    lines = written(events).splitlines(keepends=True)
    del lines[data.draw(st.integers(0, len(lines) - 2))]
    assert not read_stream(b"".join(lines), KEY).intact


def test_a_line_of_another_key_is_not_believed() -> None:
    stream = read_stream(written([{"event": "finish"}], key=b"x" * 32), KEY)
    assert (stream.records, stream.intact) == ((), False)


def test_a_torn_last_line_is_no_forgery() -> None:
    stream = read_stream(written([{"event": "a"}, {"event": "b"}])[:-4], KEY)
    assert (list(stream.records), stream.intact) == ([{"event": "a"}], True)


def test_a_record_that_is_too_long_loses_its_long_fields_and_stays_json() -> None:
    event = {"event": "test", "id": "t" * 9000, "outcome": "failed", "why": "w" * 9000}
    line = written([event])
    stream = read_stream(line, KEY)
    assert len(line) < RECORD_BYTES
    assert stream.records[0]["outcome"] == "failed"
    assert stream.records[0]["why"] == "(left out: too long)"


@pytest.mark.parametrize(
    "body",
    [
        b"[1]", b"null", b'"text"', b"{", b"1" * 5_000, b"[" * 100_000, b"{}", b'{"event": 1}', b'{"event": "test"}',
        b'{"event": "test", "id": 1, "outcome": "passed"}', b'{"event": "test", "id": "a", "outcome": "great"}',
        b'{"event": "test", "id": "a", "outcome": ["passed"]}', b'{"event": "test", "id": "a", "outcome": "passed", "why": 1}',
        b'{"event": "test", "id": "a", "outcome": "passed", "seconds": NaN}', b'{"event": "noted"}',
        b'{"event": "covered", "id": "a", "statements": "many"}', b'{"event": "not_collected", "id": null}',
    ],
)  # fmt: skip
def test_what_has_the_key_and_is_no_record_is_not_believed(body: bytes) -> None:
    """Code in the tests' own process may have found the key; that it broke the reader would be the host's failure."""
    mac = hmac.new(KEY, body, hashlib.sha256).hexdigest().encode()
    stream = read_stream(mac + b" " + body + b"\n", KEY)
    assert (stream.records, stream.intact) == ((), False)


def test_a_report_of_nothing_but_line_ends_costs_the_host_nothing() -> None:
    flood = b"\n" * (8 << 20)
    tracemalloc.start()
    try:
        assert not read_stream(flood, KEY).intact
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20
