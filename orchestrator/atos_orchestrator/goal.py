"""A goal's text and its short name: what is accepted, and what folders are called."""

from __future__ import annotations

import re
import unicodedata

from atos_protocol.errors import BadRequestError

MAX_GOAL_BYTES = 20_000
MAX_SLUG = 40

_WORD = re.compile(r"[a-z0-9]+")
_FILLER = frozenset(
    _WORD.findall(
        "a an and the to of in on for with that which this from by as is are it its be please write"
        " build make create me us python function program script using py"
    )
)


def validate_goal(text: str) -> str:
    """Return a goal's text without surrounding space.

    Raises:
        BadRequestError: it is empty, longer than `MAX_GOAL_BYTES`, or holds control characters.
    """
    clean = text.strip()
    if not clean:
        message = "The goal is empty."
        raise BadRequestError(message, next_step="Say in one sentence what you want to have.")
    try:
        size = len(clean.encode())
    except UnicodeEncodeError as error:
        message = (
            f"The goal contains a character that is not valid text, at position {error.start}."
        )
        raise BadRequestError(message, next_step="Send it as valid Unicode.") from error
    if size > MAX_GOAL_BYTES:
        message = f"The goal has {size} bytes; at most {MAX_GOAL_BYTES} fit."
        step = "Put long material into files of the repository and name them in the goal."
        raise BadRequestError(message, next_step=step)
    for position, character in enumerate(clean):
        if unicodedata.category(character) == "Cc" and character not in "\n\t\r":
            message = (
                f"The goal contains a control character ({character!r}) at position {position}."
            )
            raise BadRequestError(message, next_step="Remove it.")
    return clean


def slug(text: str) -> str:
    """Return a short name for a goal: lower-case words, each once, and hyphens; never empty, a safe file name."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    words: list[str] = _WORD.findall(plain)
    telling = [word for word in dict.fromkeys(words) if word not in _FILLER] or words
    name = ""
    for word in telling:
        longer = f"{name}-{word}" if name else word[:MAX_SLUG]
        if len(longer) > MAX_SLUG:
            break
        name = longer
    return name or "goal"
