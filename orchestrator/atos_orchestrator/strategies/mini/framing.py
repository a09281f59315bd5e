"""How people wrap a request: politeness and "write a Python function that", before and after it."""

import re

_MAKE = (
    r"(?:write|create|make|build|implement|define|develop|code|generate|produce|provide|design|give|"
    r"program|prepare|come up with|put together|writing|creating|implementing)"
)
_QUALITY = (
    r"(?:short|simple|small|little|basic|tiny|quick|tested|clean|nice|good|single|"
    r"python 3|python3|python)"
)
_THING = (
    r"(?:function|code|method|program|snippet|piece of code|bit of code|routine|implementation|"
    r"something|func|lines of code)"
)
_ARTICLE = r"(?:a |an |some |the |one |me |us )?"
_LINK = r"(?: (?:that|which|to|for|of|who|will|would|can|could|should|does))*"


def _compile(*patterns: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern) for pattern in patterns)


FRAMES = _compile(
    r"^(?:please|hi|hello|hey|ok|okay|so|now|kindly|just|there|atos|python)\b",
    r"^(?:can|could|would|will) (?:you|we|i)\b(?: have| get)?(?! \d)",
    r"^(?:i|we)(?: would)? (?:need|want|like|require|have to|must)\b(?: you)?(?: to have)?(?: to)?\b",
    r"^(?:i|we) am looking for\b",
    r"^help(?: me| us)?(?: to| with)?\b",
    r"^(?:tell|show|teach) (?:me|us)\b",
    r"^let us\b",
    r"^in python(?: 3)?\b",
    rf"^{_MAKE}(?: me| us| up)?\b(?! back)",
    rf"^{_ARTICLE}(?:{_QUALITY} )*{_THING}\b(?: in python(?: 3)?)?{_LINK}\b",
    r"^(?:a|an|some|the) python\b",
)
TAILS = _compile(
    r"\b(?:please|thanks|thank you|pls)$",
    r"\b(?:in|using|with) python(?: 3)?(?: code)?$",
    r"\bfor me$",
    r"\b(?:and |with |including |together with )(?:some |a few |its |unit |good )*tests?(?: for it)?$",
    r"\band (?:test|check) it(?: works)?$",
    r"\b(?:with|using) pytest$",
    r"\b(?:and|then) (?:returns?|gives?(?: back)?) (?:the result|it|the answer|that)$",
    r"\b(?:and|or) (?:otherwise )?false(?: otherwise| if not)?$",
    r"\bfalse otherwise$",
    r"\b(?:as a )?(?:python )?function$",
    r"\bpython(?: code)?$",
)

_VERBS = (
    "add subtract multiply divide raise compute calculate find get return give check test tell "
    "determine count sum total remove delete drop strip eliminate reverse flip invert swap exchange "
    "switch merge combine join concatenate convert turn change transform sort order arrange split "
    "break chunk cut group list keep limit restrict constrain clamp repeat flatten search capitalize "
    "capitalise make build create take accept receive say decide see detect solve play implement do "
    "work put average double square cube halve filter select pick collect show produce print round "
    "deduplicate intersect exponentiate express represent write read parse look figure identify "
    "extract lowercase uppercase"
)


def _forms(verb: str) -> tuple[str, ...]:
    stem = verb.removesuffix("e")
    plural = verb[:-1] + "ies" if verb.endswith("ify") else verb + "s"
    return (plural, verb + "es", verb + "ing", stem + "ing", verb + verb[-1] + "ing")


VERBS: dict[str, str] = {form: verb for verb in _VERBS.split() for form in _forms(verb)}
