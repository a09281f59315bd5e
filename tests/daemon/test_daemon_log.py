"""A daemon's log: however much happens, it stays short and says what was left out."""

import logging
import os
import sys
from pathlib import Path

from atos_daemon.daemon_log import (
    ALIKE_LINES,
    ALIKE_SECONDS,
    KINDS,
    PlainFormatter,
    SimilarLines,
    trim_log,
)


def record(text: str, *arguments: object, at: float = 0.0) -> logging.LogRecord:
    made = logging.LogRecord("atos", logging.WARNING, __file__, 1, text, arguments, None)
    made.created = at
    return made


def written(*records: logging.LogRecord) -> list[str]:
    limit = SimilarLines()
    return [found.getMessage() for found in records if limit.filter(found)]


def test_lines_alike_are_dropped_beyond_the_limit_and_counted_later() -> None:
    flood = [record("caller %d refused", number) for number in range(1000)]
    later = [record("caller %d refused", 1000 + n, at=ALIKE_SECONDS) for n in range(2)]
    assert written(*flood, *later) == [
        *(f"caller {number} refused" for number in range(ALIKE_LINES)),
        "caller 1000 refused (and 980 lines like this were left out)",
        "caller 1001 refused",
    ]


def test_a_flood_of_one_kind_hides_no_other_line() -> None:
    flood = [record("caller %d refused", number) for number in range(1000)]
    assert written(*flood, record("the worker ended"))[-1] == "the worker ended"


def test_lines_that_come_slowly_are_all_written() -> None:
    slow = [record("tick", at=number * ALIKE_SECONDS / ALIKE_LINES) for number in range(100)]
    assert written(*slow) == ["tick"] * 100


def test_the_number_of_kinds_that_are_remembered_is_limited() -> None:
    limit = SimilarLines()
    for number in range(3 * KINDS):
        assert limit.filter(record(f"kind {number}"))
    assert len(limit._counts) == KINDS  # pyright: ignore[reportPrivateUsage]


def test_a_log_that_has_grown_large_is_put_aside_while_it_is_written_to(tmp_path: Path) -> None:
    path = tmp_path / "d.log"
    with path.open("ab", buffering=0) as ours, path.open("ab", buffering=0) as a_childs:
        ours.write(b"x" * 100)
        trim_log(ours.fileno(), limit=100)
        assert path.stat().st_size == 100
        a_childs.write(b"y")
        trim_log(ours.fileno(), limit=100)
        a_childs.write(b"child\n")
        ours.write(b"parent\n")
    assert path.read_text() == "child\nparent\n"
    assert (tmp_path / "d.log.1").read_bytes() == b"x" * 100 + b"y"


def test_where_standard_error_is_no_file_nothing_is_trimmed() -> None:
    reads, writes = os.pipe()
    try:
        os.write(writes, b"x" * 10)
        trim_log(writes, limit=1)
        assert os.read(reads, 100) == b"x" * 10
    finally:
        os.close(reads)
        os.close(writes)


def test_no_line_and_no_traceback_holds_a_secret_or_hides_anything() -> None:
    made = record("%s at %s", "\x1b[2J", "http://me:p4ssword@h:1")
    try:
        raise ValueError("sk-abcdefghijklmnop1234")
    except ValueError:
        made.exc_info = sys.exc_info()
    lines = PlainFormatter("%(message)s").format(made).splitlines()
    assert lines[0] == r"\x1b[2J at http://***@h:1"
    assert lines[-1] == "ValueError: ***"
