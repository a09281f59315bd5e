"""Edits act on bytes, match exactly once, and say where to look when they don't."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from atos_protocol.errors import BadRequestError
from atos_servers.filesystem.edits import Edit, Edited, apply, nearest_lines, unified_diff
from atos_servers.filesystem.errors import NoMatchError, NotTextError, NotUniqueError
from atos_servers.filesystem.replacements import Span, with_replacement


def edited(data: bytes, edits: list[Edit], path: str) -> bytes:
    return apply(data, edits, path).data


CODE = b"def f():\n    return 1\n\n\ndef g():\n    return 1\n"


def test_a_unique_match_is_replaced_and_the_rest_is_untouched() -> None:
    after = edited(CODE, [Edit("def f():\n    return 1", "def f():\n    return 2")], "x.py")
    assert after == CODE.replace(b"return 1", b"return 2", 1)


def test_edits_build_on_each_other() -> None:
    assert edited(b"a", [Edit("a", "b c"), Edit("b", "d")], "x") == b"d c"


def test_windows_line_ends_survive_an_edit_written_without_them() -> None:
    data = CODE.replace(b"\n", b"\r\n")
    after = edited(
        data, [Edit("def f():\n    return 1\n", "def f():\n    x = 2\n    return x\n")], "x"
    )
    assert after == data.replace(
        b"def f():\r\n    return 1\r\n", b"def f():\r\n    x = 2\r\n    return x\r\n"
    )
    one_line = edited(data, [Edit("def g():", "# why\ndef g():")], "x")
    assert one_line.count(b"\n") == one_line.count(b"\r\n") == 7


def test_mixed_line_ends_are_left_as_they_are() -> None:
    assert edited(b"a\r\nb\nc\n", [Edit("b\nc", "b\nx")], "x") == b"a\r\nb\nx\n"


def test_latin_1_and_a_byte_order_mark_survive() -> None:
    assert edited(b"caf\xe9 = 1\n", [Edit("= 1", "= 2")], "x") == b"caf\xe9 = 2\n"
    assert edited(b"caf\xe9", [Edit("café", "thé")], "x") == b"th\xe9"
    assert edited(b"\xef\xbb\xbfa\n", [Edit("a", "é")], "x") == "\ufeffé\n".encode()


def test_a_character_that_the_files_encoding_lacks_is_refused() -> None:
    with pytest.raises(NotTextError, match="'→' does not fit a file in latin-1"):
        edited(b"caf\xe9", [Edit("caf", "→")], "x")


def test_several_matches_are_counted_with_their_lines() -> None:
    with pytest.raises(NotUniqueError, match="occurs 2 times, at lines 2, 6"):
        edited(CODE, [Edit("    return 1\n", "")], "x.py")


def test_no_match_shows_the_nearest_lines() -> None:
    with pytest.raises(NoMatchError) as caught:
        edited(CODE, [Edit("def ff():\n    return 3", "")], "x.py")
    assert caught.value.message == snapshot(
        "edit 1 of x.py: oldText does not occur. "
        "The nearest lines are line 1: 'def f():'; line 5: 'def g():'"
    )
    with pytest.raises(NoMatchError, match="No line is similar"):
        edited(CODE, [Edit("quite another thing", "")], "x.py")


def test_an_empty_old_text_is_refused() -> None:
    with pytest.raises(BadRequestError, match="oldText is empty"):
        edited(CODE, [Edit("", "x")], "x.py")


def test_a_binary_file_is_refused() -> None:
    with pytest.raises(NotTextError):
        edited(b"\x7fELF\0\0", [Edit("ELF", "x")], "x")


def test_one_failing_edit_changes_nothing() -> None:
    with pytest.raises(NoMatchError, match="edit 2"):
        edited(CODE, [Edit("def f", "def h"), Edit("nowhere to be found", "")], "x.py")


@given(st.text(), st.text(min_size=1), st.text(), st.text())
def test_any_unique_text_is_replaced_at_its_place(
    before: str, old: str, after: str, new: str
) -> None:
    whole = before + old + after
    if "\0" in whole + new or "\r" in whole + new or whole.count(old) != 1:
        return
    assert edited(whole.encode(), [Edit(old, new)], "x") == (before + new + after).encode()


@given(st.text(max_size=200), st.text(max_size=40))
def test_the_nearest_lines_are_few_and_real(text: str, wanted: str) -> None:
    found = nearest_lines(text, wanted)
    assert len(found) <= 3
    lines = text.split("\n")
    assert all(line == lines[number - 1].strip()[:120] for number, line in found)


def test_the_diff_is_git_s_and_its_fence_can_not_be_closed_by_the_text() -> None:
    before = b"a\n```\nb\n"
    shown = unified_diff(before, apply(before, [Edit("b\n", "c\n")], "x.md"), "/ws/x.md")
    assert shown == snapshot("""\
````diff
--- a/ws/x.md
+++ b/ws/x.md
@@ -1,3 +1,3 @@
 a
 ```
-b
+c
````
""")


@pytest.mark.timeout(20)
def test_a_large_file_with_recurring_lines_is_edited_and_shown_at_once() -> None:
    half = "".join(f"x = {n % 150}\n" for n in range(200_000)).encode()
    before = half + b"last = 1\n" + half
    result = apply(before, [Edit("last = 1\nx = 0\n", "last = 2\nx = 0\n")], "x")
    shown = unified_diff(before, result, "x")
    assert result.data == half + b"last = 2\n" + half
    assert shown == snapshot("""\
```diff
--- a/x
+++ b/x
@@ -199998,7 +199998,7 @@
 x = 47
 x = 48
 x = 49
-last = 1
+last = 2
 x = 0
 x = 1
 x = 2
```
""")


@pytest.mark.timeout(20)
@pytest.mark.parametrize("line", ["ab" * 2_000, "a" * 4_001, "{" * 60, "```" * 5_000, "x"], ids=len)
def test_an_edit_of_lines_that_resemble_each_other_is_answered_at_once(line: str) -> None:
    pair = f"{line}\n{line[::-1]} \n"
    before = pair * ((1 << 20) // len(pair)) + "last\n"
    with pytest.raises(NoMatchError):
        apply(before.encode(), [Edit(line[1:] + "?" + line, "")], "x")
    turned = before.replace("a", "b").replace("{", "}")
    result = apply(before.encode(), [Edit("last", "last\n" + turned)], "x")
    shown = unified_diff(before.encode(), result, "x")
    assert len(shown) < 1_000_000


@pytest.mark.timeout(20)
def test_every_edit_of_many_is_shown_at_its_own_place() -> None:
    before = "".join(f"mark {n}\n" + "same\n" * 50 for n in range(200)).encode()
    result = apply(before, [Edit(f"mark {n}\n", f"done {n}\n") for n in range(200)], "x")
    shown = unified_diff(before, result, "x").splitlines()
    assert shown.count("[cut: the rest of the change is not shown]") == 1
    assert [line for line in shown if line.startswith("+d")] == [f"+done {n}" for n in range(111)]


def test_more_edits_than_a_large_file_may_have_are_refused_before_any_is_made() -> None:
    with pytest.raises(BadRequestError, match="100 edits of x are more than the 20"):
        apply(b"x" * (8 << 20), [Edit("a", "b")] * 100, "x")


def test_matches_that_overlap_are_no_single_match() -> None:
    with pytest.raises(NotUniqueError, match="occurs 2 times, at lines 1, 1"):
        apply(b"ababa", [Edit("aba", "x")], "x")


def patched(before: bytes, diff: str) -> list[str]:
    """Apply a unified diff to the lines of a file, as `patch` does without any tolerance."""
    lines, done, at = lines_of(before), list[str](), 0
    for row in diff.split("\n")[3:-2]:
        if row.startswith("@@"):
            first, _, count = row.split()[1].removeprefix("-").partition(",")
            begin = int(first) - (count != "0")
            done, at = done + lines[at:begin], begin
            new_first, _, new_count = row.split()[2].removeprefix("+").partition(",")
            assert len(done) == int(new_first) - (new_count != "0")
            continue
        if row[0] in " -":
            assert lines[at] == row[1:]
            at += 1
        if row[0] in " +":
            done.append(row[1:])
    return done + lines[at:]


def lines_of(data: bytes) -> list[str]:
    lines = data.decode().split("\n")
    return lines if lines[-1] else lines[:-1]


@given(
    st.lists(st.sampled_from(["a", "b", "c", "", "aa"]), max_size=60),
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 12), st.text("abc\n", max_size=8))),
    st.booleans(),
)
def test_the_diff_turns_the_old_lines_into_the_new_ones(
    lines: list[str], places: list[tuple[int, int, str]], ends: bool
) -> None:
    before = ("\n".join(lines) + "\n" * ends).encode()
    data, spans = before, list[Span]()
    for start, length, new in places:
        begin = min(start, len(data))
        end = min(begin + length, len(data))
        spans = with_replacement(spans, begin, end, len(new))
        data = data[:begin] + new.encode() + data[end:]
    shown = unified_diff(before, Edited(data, spans), "x")
    assert patched(before, shown) == lines_of(data)
