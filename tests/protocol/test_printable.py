"""Nothing is hidden in what is shown, and nothing in what is delivered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atos_protocol.printable import hidden_character, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, größer, 日本, naïve", "plain, größer, 日本, naïve"),
        ("\x1b[2J\x1b]0;owned\x07", "\\x1b[2J\\x1b]0;owned\\x07"),
        ("invoice\u202efdp.exe", "invoice\\u202efdp.exe"),
        ("pay\u200bpal", "pay\\u200bpal"),
        ("two\nlines\u2028three", "two\\x0alines\\u2028three"),
        ("seen\U000e0041\U000e0042", "seen\\U000e0041\\U000e0042"),
        ("a\u3164b", "a\\u3164b"),
        ("👩\u200d🚀 👍🏽\u200d👍 a\u200db", "👩\u200d🚀 👍🏽\u200d👍 a\\u200db"),
        ("", ""),
        (None, "None"),
    ],
)
def test_hidden_characters_are_shown_as_escapes(text: object, shown: str) -> None:
    assert printable(text) == shown


def test_what_is_kept_stays() -> None:
    assert printable("a\n\tb\x1b", keep="\n\t") == "a\n\tb\\x1b"


@given(st.text())
def test_whatever_is_shown_has_one_line_and_can_be_printed(text: str) -> None:
    shown = printable(text)

    assert len(shown.splitlines()) <= 1
    assert shown.replace("\u200d", "").isprintable()
    assert printable(shown) == shown


@pytest.mark.parametrize(
    ("text", "code", "where"),
    [
        ("x = 1\n\ty = 'größer 👩\u200d🚀'\r\n", True, ""),
        ("\ufeffx = 1\n", True, ""),
        (
            "x = 1\n# \u202e } if admin {\n",
            True,
            "line 2: U+202E RIGHT-TO-LEFT OVERRIDE",
        ),
        ("def a\u3164(): ...\n", True, "line 1: U+3164 HANGUL FILLER"),
        ("x = '\x1b[31m'\n", True, "line 1: U+001B a control character"),
        ("x = 'a\u200bb'\n", True, "line 1: U+200B ZERO WIDTH SPACE"),
        ("\u0645\u06cc\u200c\u062e\n", False, ""),  # Persian wants its non-joiners
        ("read \u2066this\u2069\n", False, "line 1: U+2066 LEFT-TO-RIGHT ISOLATE"),
        ("ok\n\U000e0041\n", False, "line 2: U+E0041 TAG LATIN CAPITAL LETTER A"),
    ],
)
def test_a_hidden_character_in_a_file_is_found(text: str, code: bool, where: str) -> None:
    assert hidden_character(text, code=code) == where
