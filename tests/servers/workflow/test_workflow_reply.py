"""An answer from outside is data: bounded, visible, and without the caller's own secret."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from atos_servers.workflow.trigger import BODY_LIMIT, HIDDEN, clean


@given(st.binary(max_size=500) | st.text(max_size=500).map(str.encode))
def test_whatever_arrives_leaves_as_visible_text(raw: bytes) -> None:
    text, cut = clean(raw)
    assert not cut
    text.encode()
    hidden = [c for c in text if unicodedata.category(c) == "Cc" and c not in "\t\n"]
    assert hidden == []


@given(st.text(st.characters(codec="utf-8"), min_size=1), st.integers(1, 40_000))
def test_the_limit_holds_in_bytes_and_no_letter_is_cut_in_half(letters: str, times: int) -> None:
    text, cut = clean((letters * times)[:40_000].encode())
    assert len(text.encode()) <= BODY_LIMIT
    assert "\ufffd" not in text or "\ufffd" in letters
    assert not cut or len(text.encode()) > BODY_LIMIT - 4


def test_text_that_reads_otherwise_than_it_is_stored_is_straightened() -> None:
    raw = "safe\u202egpj.exe\u202c \u200bzero\u200b \U000e0041tag \x1b[31mred".encode()
    assert clean(raw) == ("safegpj.exe zero tag [31mred", False)


def test_the_secret_is_hidden_even_where_the_cut_would_halve_it() -> None:
    secret = "s3cret-value"
    raw = b"x" * (BODY_LIMIT - 5) + secret.encode() + b"tail"
    text, cut = clean(raw, secret)
    assert cut
    assert "s3cr" not in text
    assert clean(f"{{'key': '{secret}'}}".encode(), secret)[0] == f"{{'key': '{HIDDEN}'}}"
