"""Newline framing: whatever the chunks, the lines are the same, and memory is bounded."""

from hypothesis import given
from hypothesis import strategies as st

from atos_protocol.host_protocol import LineSplitter

LINES = st.lists(st.binary(max_size=20).map(lambda raw: raw.replace(b"\n", b"")), max_size=20)


@given(lines=LINES, sizes=st.lists(st.integers(1, 30), min_size=1, max_size=50))
def test_any_cutting_of_the_stream_gives_the_same_lines(
    lines: list[bytes], sizes: list[int]
) -> None:
    stream = b"".join(line + b"\n" for line in lines)
    splitter = LineSplitter(limit=10)
    found: list[bytes | None] = []
    while stream:
        size = sizes[len(found) % len(sizes)]
        found += splitter.feed(stream[:size])
        stream = stream[size:]
    assert found == [line if len(line) <= 10 else None for line in lines]


def test_a_line_over_the_limit_is_not_kept_and_the_next_one_is_read() -> None:
    splitter = LineSplitter(limit=8)
    for _ in range(1000):
        assert splitter.feed(b"x" * 100) == []
    assert splitter.held <= 8
    assert splitter.feed(b"\nnext\n") == [None, b"next"]
