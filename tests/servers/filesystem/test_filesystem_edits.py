"""Edits act on bytes, match exactly once, and say where to look when they don't."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from atos_protocol.errors import BadRequestError
from atos_servers.filesystem.edits import Edit, apply, nearest_lines, unified_diff
from atos_servers.filesystem.errors import NoMatchError, NotTextError, NotUniqueError

CODE = b"def f():\n    return 1\n\n\ndef g():\n    return 1\n"


def test_a_unique_match_is_replaced_and_the_rest_is_untouched() -> None:
    after = apply(CODE, [Edit("def f():\n    return 1", "def f():\n    return 2")], "x.py")
    assert after == CODE.replace(b"return 1", b"return 2", 1)


def test_edits_build_on_each_other() -> None:
    assert apply(b"a", [Edit("a", "b c"), Edit("b", "d")], "x") == b"d c"


def test_windows_line_ends_survive_an_edit_written_without_them() -> None:
    data = CODE.replace(b"\n", b"\r\n")
    after = apply(
        data, [Edit("def f():\n    return 1\n", "def f():\n    x = 2\n    return x\n")], "x"
    )
    assert after == data.replace(
        b"def f():\r\n    return 1\r\n", b"def f():\r\n    x = 2\r\n    return x\r\n"
    )
    one_line = apply(data, [Edit("def g():", "# why\ndef g():")], "x")
    assert one_line.count(b"\n") == one_line.count(b"\r\n") == 7


def test_mixed_line_ends_are_left_as_they_are() -> None:
    assert apply(b"a\r\nb\nc\n", [Edit("b\nc", "b\nx")], "x") == b"a\r\nb\nx\n"


def test_latin_1_and_a_byte_order_mark_survive() -> None:
    assert apply(b"caf\xe9 = 1\n", [Edit("= 1", "= 2")], "x") == b"caf\xe9 = 2\n"
    assert apply(b"caf\xe9", [Edit("café", "thé")], "x") == b"th\xe9"
    assert apply(b"\xef\xbb\xbfa\n", [Edit("a", "é")], "x") == "\ufeffé\n".encode()


def test_a_character_that_the_files_encoding_lacks_is_refused() -> None:
    with pytest.raises(NotTextError, match="'→' does not fit a file in latin-1"):
        apply(b"caf\xe9", [Edit("caf", "→")], "x")


def test_several_matches_are_counted_with_their_lines() -> None:
    with pytest.raises(NotUniqueError, match="occurs 2 times, at lines 2, 6"):
        apply(CODE, [Edit("    return 1\n", "")], "x.py")


def test_no_match_shows_the_nearest_lines() -> None:
    with pytest.raises(NoMatchError) as caught:
        apply(CODE, [Edit("def ff():\n    return 3", "")], "x.py")
    assert caught.value.message == snapshot(
        "edit 1 of x.py: oldText does not occur. "
        "The nearest lines are line 1: 'def f():'; line 5: 'def g():'"
    )
    with pytest.raises(NoMatchError, match="No line is similar"):
        apply(CODE, [Edit("quite another thing", "")], "x.py")


def test_an_empty_old_text_is_refused() -> None:
    with pytest.raises(BadRequestError, match="oldText is empty"):
        apply(CODE, [Edit("", "x")], "x.py")


def test_a_binary_file_is_refused() -> None:
    with pytest.raises(NotTextError):
        apply(b"\x7fELF\0\0", [Edit("ELF", "x")], "x")


def test_one_failing_edit_changes_nothing() -> None:
    with pytest.raises(NoMatchError, match="edit 2"):
        apply(CODE, [Edit("def f", "def h"), Edit("nowhere to be found", "")], "x.py")


@given(st.text(), st.text(min_size=1), st.text(), st.text())
def test_any_unique_text_is_replaced_at_its_place(
    before: str, old: str, after: str, new: str
) -> None:
    whole = before + old + after
    if "\0" in whole + new or "\r" in whole + new or whole.count(old) != 1:
        return
    assert apply(whole.encode(), [Edit(old, new)], "x") == (before + new + after).encode()


@given(st.text(max_size=200), st.text(max_size=40))
def test_the_nearest_lines_are_few_and_real(text: str, wanted: str) -> None:
    found = nearest_lines(text, wanted)
    assert len(found) <= 3
    lines = text.splitlines()
    assert all(line == lines[number - 1].strip()[:300] for number, line in found)


def test_the_diff_is_git_s_and_its_fence_can_not_be_closed_by_the_text() -> None:
    shown = unified_diff(b"a\n```\nb\n", b"a\n```\nc\n", "/ws/x.md")
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
