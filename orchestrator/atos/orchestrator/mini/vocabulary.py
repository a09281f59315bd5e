"""What words mean to the scope check: framing, verbs, phrases, synonyms, silent words.

Negations and limits ("not", "without", "except", "only", "or") are never silent: an unexplained
word refuses the goal.
"""

import re

_MAKE = (
    "write|create|make|build|implement|define|develop|code|generate|produce|provide|design|"
    "give|program|prepare|come up with|put together|writing|creating|implementing"
)
_QUALITY = (
    "short|simple|small|little|basic|tiny|quick|tested|clean|nice|good|single|python 3|python3|python"
)
_THING = (
    "function|code|method|program|snippet|piece of code|bit of code|routine|implementation|"
    "something|func|lines of code"
)


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
    rf"^(?:{_MAKE})(?: me| us| up)?\b(?! back)",
    (
        rf"^(?:a |an |some |the |one |me |us )?(?:(?:{_QUALITY}) )*(?:{_THING})\b"
        r"(?: in python(?: 3)?)?"
        r"(?: (?:that|which|to|for|of|who|will|would|can|could|should|does))*\b"
    ),
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
    r"\b(?:false otherwise)$",
    r"\b(?:as a )?(?:python )?function$",
    r"\bpython(?: code)?$",
)

_REGULAR = (
    "add subtract multiply divide raise compute calculate find get return give check test tell determine "
    "count sum total remove delete drop strip eliminate reverse flip invert swap exchange switch merge "
    "combine join concatenate convert turn change transform sort order arrange split break chunk cut "
    "group list keep limit restrict constrain clamp repeat flatten search capitalize capitalise make build "
    "create take accept receive say decide see detect solve play implement do work put average double "
    "square cube halve filter select pick collect show produce print round deduplicate intersect "
    "exponentiate express represent write read parse look figure identify extract lowercase uppercase"
).split()


def _forms(verb: str) -> tuple[str, ...]:
    stem = verb.removesuffix("e")
    plural = verb[:-1] + "ies" if verb.endswith("ify") else verb + "s"
    return (plural, verb + "es", verb + "ing", stem + "ing", verb + verb[-1] + "ing")


VERBS: dict[str, str] = {form: verb for verb in _REGULAR for form in _forms(verb)}


def _table(*rows: tuple[str, str]) -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((re.compile(pattern), replacement) for pattern, replacement in rows)


_TRUE = r"(?:true|a boolean|a bool)"
CHECKS = _table(
    (rf"\b(?:return|give|say|answer) {_TRUE} (?:if|when|whether|for)\b", "check"),
    (
        r"\b(?:check|test|tell|determine|find out|see|decide|say|verify|figure out|work out|detect|find|identify)"
        r"(?: me| us)? (?:if|whether|that|when)\b",
        "check",
    ),
    (r"^(?:is|are|does|has) ", "check "),
    (r"^(?:detect|verify|identify)\b", "check"),
    (r"^(?:check|test)(?: for)?\b", "check"),
    (r"\b(?:checker|check|tester|test|detector)$", "check"),
    (r"\bor not$", ""),
)
PHRASES = _table(
    (r"^list (?!of\b|to\b)", "listing "),
    (r"\blist of (?=all\b|the\b|every\b|even\b|odd\b|positive\b|negative\b|squares\b|doubles\b|cubes\b|halves\b|absolute\b)", "listing "),
    (r"\b[ax] and [by]\b", "two numbers"),
    (r"\b(numbers|integers|values) two numbers\b", "two numbers"),
    (r"\b[ax] plus [by]\b", "sum two numbers"),
    (r"\b[ax] minus [by]\b", "vara minus varb"),
    (r"\b[ax] times [by]\b", "multiply two numbers"),
    (r"\b[by] from [ax]\b", "varb from vara"),
    (r"\b[ax] from [by]\b", "vara from varb"),
    (r"\b[ax] by [by]\b", "vara by varb"),
    (r"\b[by] by [ax]\b", "varb by vara"),
    (r"\b[ax] to the power (?:of )?[by]\b", "vara power varb"),
    (r"\b(?:of|among|between) three (numbers|integers|values)\b", r"ofthree \1"),
    (
        r"\bfrom (?=(?:(?:a|an|the|all|its|every|each|some|any|given|nested|sorted) )*"
        r"(?:list|array|string|text|word|sentence|phrase|dict|dictionary)\b)",
        "",
    ),
    (r"\bfrom ((?:degrees )?[a-z]+) (?=to\b|into\b)", r"\1 "),
    (r"\bn th\b", "nth"),
    (r"\b(?:add|sum|total|adding) up\b", "sum"),
    (r"\bsum up\b", "sum"),
    (r"\bget rid of\b", "remove"),
    (r"\btake out\b", "remove"),
    (r"\b(?:work|figure|find) out\b", "get"),
    (r"\bgive back\b", "return"),
    (r"\b(?:split|break|divide|cut) up\b", "split"),
    (r"\b(?:and|then) (?:return|give|get|compute|calculate|find|produce|determine)\b", "get"),
    (r"\b(?:greatest|highest|largest) common (?:divisor|factor)\b", "gcd"),
    (r"\b(?:least|lowest|smallest) common multiple\b", "lcm"),
    (r"\b(?:number of times|number of occurrences of|how many times|how often)\b", "howoften"),
    (r"\boccurrences of\b", "howoften"),
    (r"\b(?:number of|how many|amount of|count of|quantity of)\b", "count"),
    (r"\b(?:greater|bigger|larger|higher|more) than(?! once)\b", "over"),
    (r"\b(?:less|smaller|lower|fewer) than\b", "under"),
    (r"\b(?:sorted )?(?:nested list|list of lists|lists of lists)\b", "nestedlist"),
    (r"\b(list|array) of (?:numbers|integers|ints|items|values|elements|things|floats)\b", r"\1"),
    (r"\b(lists|arrays) of (?:numbers|integers|ints|items|values|elements|things)\b", r"\1"),
    (r"\b(?:piece of text|line of text|string of text|text string)\b", "text"),
    (r"\b(?:hash map|hash table)\b", "dict"),
    (r"\bupper case\b", "uppercase"),
    (r"\blower case\b", "lowercase"),
    (r"\b(?:capital letters|capitals)\b", "uppercase"),
    (r"\bsmall letters\b", "lowercase"),
    (r"\bfizz buzz\b", "fizzbuzz"),
    (r"\btwice\b", "2 times"),
    (r"\barithmetic mean\b", "average"),
    (r"\bwhite spaces?\b", "whitespace"),
    (r"\bwhole numbers\b", "numbers"),
    (r"\bwhole number\b", "number"),
    (r"\bnatural numbers\b", "natural numbers"),
    (r"\bevery single\b", "each"),
)

_SYNONYMS = {
    "sum": "add total addition",
    "multiply": "product multiplication times_",
    "subtract": "subtraction difference_",
    "largest": "biggest greatest maximum max highest",
    "smallest": "lowest minimum min least",
    "over": "above",
    "under": "below",
    "average": "mean averages",
    "remove": "delete drop eliminate discard",
    "convert": "turn change transform",
    "reverse": "flip reversed reversal reverser",
    "reverse_order": "",
    "sort": "arrange",
    "merge": "combine join concatenate unite",
    "split": "break cut",
    "unique": "distinct",
    "swap": "exchange switch",
    "clamp": "limit restrict constrain",
    "text": "string sentence str phrase",
    "texts": "strings sentences phrases",
    "list": "array",
    "lists": "arrays",
    "number": "integer int n x",
    "numbers": "integers ints",
    "item": "element entry member",
    "items": "elements entries members",
    "dict": "dictionary mapping",
    "dicts": "dictionaries mappings",
    "character": "letter char",
    "characters": "letters chars",
    "spaces": "blanks",
    "km": "kilometers kilometres kilometer kilometre",
    "miles": "mi",
    "celsius": "c centigrade",
    "fahrenheit": "f",
    "numeral": "numerals",
    "chunks": "pieces groups parts batches blocks",
    "primes": "",
    "palindrome": "palindromes",
    "anagrams": "",
    "repeated": "duplicated duplicate repeating",
    "occur": "occurs appears appear",
    "occurrences": "",
    "each": "every",
    "to": "into",
    "contain": "contains contained",
    "divisors": "factors",
    "nth": "",
    "capitalize": "capitalise",
    "prime": "primality",
}
_COUNTED = {
    "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8",
    "nine": "9", "ten": "10", "eleven": "11", "twelve": "12", "fifteen": "15", "twenty": "20",
    "fifty": "50", "hundred": "100",
}  # fmt: skip
WORDS: dict[str, str] = {
    **{word: meaning for meaning, words in _SYNONYMS.items() for word in words.split()},
    **_COUNTED,
}
DROPPED: frozenset[str] = frozenset(
    "a an the of in within inside for is are be being was has have had does do did their its his "
    "her there this these those that which given some me my your you i we get find compute calculate "
    "return give obtain determine evaluate python degrees".split()
)
NOUNS: frozenset[str] = frozenset({"list", "text", "dict", "number", "numbers", "word"})
