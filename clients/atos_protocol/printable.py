r"""Text in which nothing is hidden, for terminals, commit messages, pages and tables. Pure.

A title, a goal or an error may come from a model, a web form or a file. Escape sequences in it would steer the
terminal, direction overrides show it in another order than it has (CVE-2021-42574), zero-width characters and tags
carry words that nobody sees. Such characters are shown as Python would write them: `\u202e`.
"""

from __future__ import annotations

_BLANK_LETTERS = "\u115f\u1160\u2800\u3164\uffa0"
"""Letters and symbols that are as wide as nothing, or as a blank: they pass for part of a name."""
_JOINER, _EMOJI_STYLE = "\u200d", "\ufe0f"
_LAYOUT, _BYTE_ORDER_MARK = "\n\t\r\f", "\ufeff"
_REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def printable(text: object, keep: str = "") -> str:
    """Return a text with each hidden character shown as an escape.

    Args:
        text: whatever is to be shown.
        keep: characters that stay, such as a line feed.
    """
    plain = str(text)
    rest = plain.translate(dict.fromkeys(map(ord, keep)))
    if rest.isprintable() and rest.isascii():
        return plain
    return "".join(
        character if character in keep or not _is_hidden(plain, at) else _escaped(character)
        for at, character in enumerate(plain)
    )


def hidden_character(text: str, *, code: bool) -> str:
    """Return where a file has a hidden character, and which: `line 3: U+202E ...`; empty where it has none.

    Args:
        text: the file.
        code: whether it is a program. In prose only what changes the order of characters or carries hidden words
            counts: scripts other than Latin need marks that can't be seen.
    """
    if text.isascii() and not code:
        return ""
    for at, character in enumerate(text):
        if character in _LAYOUT or (not at and character == _BYTE_ORDER_MARK):
            continue
        if not _is_hidden(text, at):
            continue
        if code or character in _REORDERING or 0xE0000 <= ord(character) <= 0xE007F:
            import unicodedata  # hardly any text has such a character

            line = text.count("\n", 0, at) + 1
            name = unicodedata.name(character, "a control character")
            return f"line {line}: U+{ord(character):04X} {name}"
    return ""


def _is_hidden(text: str, at: int) -> bool:
    character = text[at]
    if character in _BLANK_LETTERS:
        return True
    if character == _JOINER and at:  # it joins emoji: families, professions
        import unicodedata

        return (
            unicodedata.category(text[at - 1]) not in {"So", "Sk"} and text[at - 1] != _EMOJI_STYLE
        )
    return not character.isprintable()


def _escaped(character: str) -> str:
    number = ord(character)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
