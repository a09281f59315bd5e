"""From a person's sentence to the words that carry its meaning.

Wordings of the catalogue and goals go through the same `read`, so a rough rule does no harm as long
as it treats both alike: two sentences mean the same family only if the same words are left. A word
that no rule knows is left as it stands, and whoever asks refuses it.
"""

import re

from atos_orchestrator.strategies.mini.framing import FRAMES, TAILS, VERBS
from atos_orchestrator.strategies.mini.vocabulary import CHECKS, DROPPED, NOUNS, PHRASES, WORDS

_TOKEN = re.compile(r"[a-z]+|\d+|[^\sa-z\d]")
_QUIET = re.compile(r"""["'`.?!;]""")
_LEAD_IN = re.compile(
    r"^(?:given|take|accept|receive|get|for|from) (?P<given>.+?)(?: ,| and| then)+ "
    rf"(?P<order>(?:{'|'.join(sorted(set(VERBS.values())))})\b.*)$"
)
_PRONOUN = re.compile(r"\b(?:it|them)\b")


def read(sentence: str) -> tuple[str, ...]:
    """Reduce a sentence to its meaningful words, in order; pure."""
    text = " ".join(_TOKEN.findall(_plain(sentence)))
    text = _unframe(text)
    plain = _base_verbs(text)
    text = _resolve(plain)
    led_in = text != plain
    text = _substitute(text.replace(",", " "))
    words = [meaning(token) for token in text.split()]
    kept = [word for word in " ".join(words).split() if word]
    return tuple(_settle(kept, led_in=led_in))


def _plain(sentence: str) -> str:
    text = sentence.lower().replace("\u2019", "'").replace("n't", " not")
    text = re.sub(r"\bn!(?=\W|$)", "n factorial", text)
    text = re.sub(r"'(?:s|d|m|re|ll)\b", "", text)
    text = re.sub(r"(?<=[a-z])-(?=[a-z])", " ", text)
    return _QUIET.sub(" ", text.replace("\u00b0", " degrees "))


def _unframe(text: str) -> str:
    """Take away politeness and "write a Python function that", front and back, until none is left."""
    while True:
        shorter = text.strip(" ,:")
        for frame in FRAMES:
            shorter = frame.sub("", shorter, count=1).strip(" ,:")
        for tail in TAILS:
            shorter = tail.sub("", shorter, count=1).strip(" ,:")
        if shorter == text:
            return text
        text = shorter


def _base_verbs(text: str) -> str:
    """Bring the verbs in verb places (first, or after "and", "that", "which", a comma) to base form."""
    return re.sub(
        r"(^|\b(?:and|that|which|then|who|code|by) |, )([a-z]+)\b",
        lambda match: match[1] + VERBS.get(match[2], match[2]),
        text,
    )


def _resolve(text: str) -> str:
    """Say "takes a list and returns it reversed" as "return a list reversed".

    What was given takes the pronoun's place, or stands at the end where there is no pronoun
    ("takes two numbers and returns their sum").
    """
    found = _LEAD_IN.match(text)
    if found is None:
        return text
    given, order = found["given"], found["order"]
    if _PRONOUN.search(order):
        return _PRONOUN.sub(lambda _: given, order)
    return f"{order} {given}"


def _substitute(text: str) -> str:
    for pattern, replacement in (*CHECKS, *PHRASES):
        text = pattern.sub(replacement, text)
    return text


def meaning(token: str) -> str:
    """Give what one word means here: a synonym, nothing for a silent word, else the word itself."""
    return "" if token in DROPPED else WORDS.get(token, token)


def _settle(words: list[str], *, led_in: bool) -> list[str]:
    """Drop what another word already says: "all" outside checks, "count" beside "howoften"."""
    if "check" in words:
        words = ["check", *(word for word in words if word not in ("check", "true"))]
    else:
        words = [word for word in words if word != "all"]
    if "howoften" in words:
        words = [word for word in words if word not in ("count", "occur")]
    if led_in:
        words = [w for i, w in enumerate(words) if w not in NOUNS or w not in words[:i]]
    return words
