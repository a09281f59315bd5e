"""The progress line: it fits the terminal, never goes back, and says how long it takes."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from atos_scheduler.models.meter import Pace, bytes_below

GB = 10**9


def test_a_line_has_share_size_rate_and_time_left() -> None:
    pace = Pace()
    pace.see(0, 1_117_320_768, 0.0)
    pace.see(503_000_000, 1_117_320_768, 7.0)
    assert pace.line("qwen2.5-coder:1.5b", 79) == snapshot(
        "qwen2.5-coder:1.5b  [######--------]  45%  503 MB of 1.1 GB  72 MB/s  0:09 left"
    )
    assert pace.line("qwen2.5-coder:1.5b", 119) == snapshot(
        "qwen2.5-coder:1.5b  [##########--------------]  45%  503 MB of 1.1 GB  72 MB/s  0:09 left"
    )


def test_the_first_bytes_make_no_forecast() -> None:
    pace = Pace()
    pace.see(0, 1_117_320_768, 0.0)
    pace.see(28, 1_117_320_768, 1.75)
    assert pace.line("qwen2.5-coder:1.5b", 79) == snapshot(
        "qwen2.5-coder:1.5b  [------------------------]   0%  28 B of 1.1 GB"
    )


@given(
    seen=st.lists(st.tuples(st.integers(0, 9 * GB), st.floats(0.01, 100)), min_size=1),
    total=st.integers(0, 9 * GB),
    width=st.integers(20, 200),
)
def test_a_line_never_breaks_the_terminal_and_a_count_never_goes_back(
    seen: list[tuple[int, float]], total: int, width: int
) -> None:
    pace, now, before = Pace(), 0.0, 0
    for done, seconds in seen:
        now += seconds
        pace.see(done, total, now)
        assert before <= pace.done <= total
        before = pace.done
        assert len(pace.line("qwen2.5-coder:1.5b", width)) <= width


def test_what_is_on_the_disk_is_the_fullest_source(tmp_path: Path) -> None:
    for name, size in (("mirror", 3), ("huggingface/.cache", 4)):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "file").write_bytes(bytes(size))
    assert bytes_below(tmp_path) == 4
    assert bytes_below(tmp_path / "nothing") == 0
