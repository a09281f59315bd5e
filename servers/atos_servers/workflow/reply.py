"""What a workflow answered, made safe to show: it is data from outside, whoever wrote it."""

from __future__ import annotations

import re

BODY_LIMIT = 16 * 1024
"""Bytes of an answer that are handed on: about 4,000 tokens."""

HIDDEN = "[secret]"

# C0 and C1 controls but tab and newline, the bidirectional overrides that make text read otherwise
# than it is stored, zero-width letters, and the invisible tag letters.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]"
)


def clean(raw: bytes, secret: str = "") -> tuple[str, bool]:
    """Return the text of an answer that may be shown, and whether it was cut.

    Invisible letters go, the caller's own secret is hidden where the workflow echoes it, and what
    exceeds `BODY_LIMIT` bytes is cut at a letter's border.
    """
    text = _UNSEEN.sub("", raw.decode("utf-8", errors="replace").replace("\r\n", "\n"))
    if secret:
        text = text.replace(secret, HIDDEN)
    shown = text.encode()
    if len(shown) <= BODY_LIMIT:
        return text, False
    return shown[:BODY_LIMIT].decode(errors="ignore"), True
