"""What words mean to the scope check: phrases, synonyms, silent words.

Negations and limits ("not", "without", "except", "only", "or") are never silent: an unexplained
word refuses the goal. Nor is "from", except before the thing that something is taken from.
"""

import re


def _table(*rows: tuple[str, str]) -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((re.compile(pattern), replacement) for pattern, replacement in rows)


_TRUE = r"(?:true|a boolean|a bool)"
_ASK = (
    r"(?:check|test|tell|determine|find out|see|decide|say|verify|figure out|work out|detect|find|"
    r"identify)"
)
_OF_WHAT = r"(?:all|the|every|even|odd|positive|negative|squares|doubles|cubes|halves|absolute)\b"
_TAKEN_FROM = (
    r"(?:(?:a|an|the|all|its|every|each|some|any|given|nested|sorted) )*"
    r"(?:list|array|string|text|word|sentence|phrase|dict|dictionary)\b"
)
_MOST = r"(?:largest|biggest|greatest|maximum|highest|smallest|lowest|minimum)"
_THINGS = r"(?:numbers|integers|ints|items|values|elements|things|floats)"

CHECKS = _table(
    (rf"\b(?:return|give|say|answer) {_TRUE} (?:if|when|whether|for)\b", "check"),
    (rf"\b{_ASK}(?: me| us)? (?:if|whether|that|when)\b", "check"),
    (r"^(?:is|are|does|has) ", "check "),
    (r"^(?:detect|verify|identify)\b", "check"),
    (r"^(?:check|test)(?: for)?\b", "check"),
    (r"\b(?:checker|check|tester|test|detector)$", "check"),
    (r"\bor not$", ""),
)
PHRASES = _table(
    # "list" the order, not the thing
    (r"^list (?!of\b|to\b)", "listing "),
    (rf"\blist of (?={_OF_WHAT})", "listing "),
    # variables by their usual names; which one comes first matters
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
    # "of three numbers" is not "three numbers", "largest of the" is not "largest"
    (r"\b(?:of|among|between) three (numbers|integers|values)\b", r"ofthree \1"),
    (rf"\b({_MOST}) of\b", r"\1 oneof"),
    (r"^(?:the )?order of\b", "orderof"),
    (rf"\bfrom (?={_TAKEN_FROM})", ""),
    (r"\bfrom ((?:degrees )?[a-z]+) (?=to\b|into\b)", r"\1 "),
    (r"\bn th\b", "nth"),
    # verbs of several words
    (r"\b(?:add|sum|total|adding) up\b", "sum"),
    (r"\bget rid of\b", "remove"),
    (r"\btake out\b", "remove"),
    (r"\b(?:work|figure|find) out\b", "get"),
    (r"\bgive back\b", "return"),
    (r"\b(?:split|break|divide|cut) up\b", "split"),
    (
        r"\b(?:and|then) (?:return|give|get|compute|calculate|find|produce|determine)\b",
        "get",
    ),
    # terms
    (r"\b(?:greatest|highest|largest) common (?:divisor|factor)\b", "gcd"),
    (r"\b(?:least|lowest|smallest) common multiple\b", "lcm"),
    (
        r"\b(?:number of times|number of occurrences of|how many times|how often)\b",
        "howoften",
    ),
    (r"\boccurrences of\b", "howoften"),
    (r"\b(?:number of|how many|amount of|count of|quantity of)\b", "count"),
    (r"\b(?:greater|bigger|larger|higher|more) than(?! once)\b", "over"),
    (r"\b(?:less|smaller|lower|fewer) than\b", "under"),
    (r"\b(?:nested list|list of lists|lists of lists)\b", "nestedlist"),
    (rf"\b(lists?|arrays?) of {_THINGS}\b", r"\1"),
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
)

_SYNONYMS = {
    "sum": "add total addition",
    "multiply": "product multiplication",
    "subtract": "subtraction",
    "largest": "biggest greatest maximum max highest",
    "smallest": "lowest minimum min least",
    "over": "above",
    "under": "below",
    "average": "mean averages",
    "remove": "delete drop eliminate discard",
    "convert": "turn change transform",
    "reverse": "flip reversed reversal reverser",
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
    "palindrome": "palindromes",
    "repeated": "duplicated duplicate repeating",
    "occur": "occurs appears appear",
    "each": "every",
    "to": "into",
    "contain": "contains contained",
    "divisors": "factors",
    "capitalize": "capitalise",
    "prime": "primality",
    "2": "two",
    "3": "three",
    "4": "four",
    "5": "five",
    "6": "six",
    "7": "seven",
    "8": "eight",
    "9": "nine",
    "10": "ten",
    "11": "eleven",
    "12": "twelve",
    "15": "fifteen",
    "20": "twenty",
    "50": "fifty",
    "100": "hundred",
}
WORDS: dict[str, str] = {
    word: meaning for meaning, words in _SYNONYMS.items() for word in words.split()
}
_SILENT = (
    "a an the of in within inside for is are be being was has have had does do did their its his her "
    "there this these those that which given some me my your you i we get find compute calculate "
    "return give obtain determine evaluate python degrees"
)
DROPPED: frozenset[str] = frozenset(_SILENT.split())
NOUNS: frozenset[str] = frozenset({"list", "text", "dict", "number", "numbers", "word"})
