"""The authenticated report stream, writer and reader together."""

import os
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from atos_servers.code_runner.evidence import read_stream
from atos_servers.code_runner.sandbox.report import RECORD_BYTES, chained_writer

KEY = b"k" * 32
records = st.lists(
    st.fixed_dictionaries({"event": st.just("test"), "id": st.text(max_size=40)}), max_size=12
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
