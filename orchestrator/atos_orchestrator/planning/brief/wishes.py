"""Finds what a goal says about the way: constraints, packages, another language. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

MAX_CONSTRAINTS = 12
"""Of one goal; what comes after them is left out."""

_CONSTRAINT = re.compile(
    r"\bwithout[ \t\n]+(?:using|importing|calling|modifying|mutating|changing|sorting"
    r"|relying|recursion|loops?"
    r"|regular expressions|regex\w*|external|third[- ]party|any|libraries|imports"
    r"|the[ \t]+`?\w+`?[ \t]+(?:module|library|function|operator|package)|`?\w+\(\))"
    r"[^.,;:()\n]{0,80}"
    r"|\b(?:(?:do|does|must|should|may|can)[ \t]+not|don't|mustn't|never)[ \t]+(?:use"
    r"|import|call|modify|mutate|change|sort|rely)\b[^.,;:()\n]{2,80}"
    r"|\b(?:using[ \t]+|use[ \t]+|with[ \t]+)?(?:only"
    r"|just)[ \t]+(?:use[ \t]+)?(?:the[ \t]+)?(?:Python[ \t]+)?standard library\b"
    r"|\bstandard library[ \t]+only\b"
    r"|\bno[ \t]+(?:external|third[- ]party|other)[ \t]+(?:packages|libraries|dependencies"
    r"|modules)\b"
    r"|\bno[ \t]+(?:recursion|imports|loops|globals|classes|regular expressions|regex(?:es)?)\b"
    r"|\b(?:in|with)[ \t]+(?:linear|constant|quadratic|logarithmic)[ \t]+(?:time|space|memory)\b"
    r"|\b(?:in[ \t]+)?O\([\w ^*+²]{1,20}\)(?:[ \t]+(?:amortized[ \t]+)?(?:time|space|memory))?"
    r"|\bin[- ]place\b|\bin (?:one|a single) pass\b|\b(?:recursively|iteratively)\b"
    r"|\bthread[- ]safe\b"
    r"|\bcase[- ](?:in)?sensitive(?:ly)?\b|\b(?:with|use|using) type hints\b",
    re.IGNORECASE,
)

PACKAGES: Mapping[str, str] = {
    "aiohttp": "aiohttp",
    "beautifulsoup": "beautifulsoup4",
    "beautifulsoup4": "beautifulsoup4",
    "beautiful soup": "beautifulsoup4",
    "bs4": "beautifulsoup4",
    "bottle": "bottle",
    "click": "click",
    "dateutil": "python-dateutil",
    "django": "django",
    "fastapi": "fastapi",
    "flask": "flask",
    "httpx": "httpx",
    "jinja2": "jinja2",
    "lxml": "lxml",
    "matplotlib": "matplotlib",
    "networkx": "networkx",
    "numpy": "numpy",
    "openpyxl": "openpyxl",
    "pandas": "pandas",
    "pillow": "pillow",
    "pydantic": "pydantic",
    "pyyaml": "pyyaml",
    "requests": "requests",
    "rich": "rich",
    "scikit-learn": "scikit-learn",
    "sklearn": "scikit-learn",
    "scipy": "scipy",
    "sqlalchemy": "sqlalchemy",
    "tabulate": "tabulate",
    "tqdm": "tqdm",
    "typer": "typer",
}
"""How people write a well-known package, in lower case -> the distribution."""

_WORDS = frozenset({"bottle", "click", "pillow", "requests", "rich", "tabulate"})
"""Packages whose names are English words: they count only where the text says that it means a package."""

_SPELLINGS = "|".join(map(re.escape, sorted(PACKAGES, key=len, reverse=True)))
_ANY_PACKAGE = re.compile(rf"(?<![\w./-])(?:{_SPELLINGS})(?![\w/-]|\.\w)", re.IGNORECASE)
_WANTED = re.compile(
    r"\b(?:using|via|imports?|on top of|with"
    r"|uses?)[ \t\n]+(?:the[ \t]+)?(?:Python[ \t]+)?[`\"']?\Z",
    re.IGNORECASE,
)
_IS_PACKAGE = re.compile(r"[`\"']?[ \t]+(?:library|package|module|framework)\b", re.IGNORECASE)
_ENDS = re.compile(r"[`\"']?[ \t]*(?:[.,;)\n]|\Z|to\b)")
_WEB = re.compile(
    r"\b(?:download\w*|fetch\w*|https?|urls?|web\w*|scrap\w+|api|pages?)\b", re.IGNORECASE
)
_UNWANTED = re.compile(
    r"\b(?:without|no|not|never|avoid|instead of|don't|than)\b[^.;\n]{0,24}\Z", re.IGNORECASE
)

_LANGUAGES: Mapping[str, str] = {
    "javascript": "javascript",
    "typescript": "typescript",
    "node.js": "javascript",
    "nodejs": "javascript",
    "react": "javascript",
    "html": "html",
    "css": "css",
    "sql": "sql",
    "bash": "shell",
    "shell": "shell",
    "powershell": "shell",
    "rust": "rust",
    "golang": "go",
    "c++": "c++",
    "c#": "c#",
    "java": "java",
    "kotlin": "kotlin",
    "swift": "swift",
    "ruby": "ruby",
    "php": "php",
    "perl": "perl",
    "haskell": "haskell",
    "lua": "lua",
    "scala": "scala",
}
_NAMES = "|".join(map(re.escape, sorted(_LANGUAGES, key=len, reverse=True)))
_ARTICLE = (
    r"(?:me[ \t]+)?(?:an?|the|some|my|our)?[ \t]*"
    r"(?:(?!(?:for|of|that|to|from|with|in|into|which|and)\b)[\w'-]+[ \t]+){0,3}?"
)
_MAKE = r"\b(?:write|build|create|make|generate|implement|code|develop|design|compose|draft)[ \t]+"
_IN_LANGUAGE = re.compile(
    rf"\bin[ \t]+(?:plain[ \t]+|vanilla[ \t]+|pure[ \t]+)?(?P<name>{_NAMES}|Go)(?![\w+#])",
    re.IGNORECASE,
)
_MADE_IN = re.compile(
    rf"{_MAKE}{_ARTICLE}(?P<name>{_NAMES})[ \t]+(?:\w+[ \t]+)?"
    r"(?:functions?|classe?s?|scripts?|programs?|code|modules?|components?|apps?"
    r"|applications?|query|queries|statements?"
    r"|pages?|files?|schemas?|commands?|snippets?|one-liners?|websites?|sites?|forms?"
    r"|games?|class)\b",
    re.IGNORECASE,
)
_PAGE = re.compile(
    rf"{_MAKE}{_ARTICLE}(?:web[ -]?page|landing page|home ?page|website|web ?site)\b", re.IGNORECASE
)
_PROSE = re.compile(
    rf"{_MAKE}{_ARTICLE}(?:essay|poem|haiku|story|blog post|letter|e-?mail|speech|article"
    rf"|summary|press release|song|recipe|cover letter|README"
    rf"|tutorial)s?\b(?![ \t]+(?:parser|generator|validator|function|class|module|server"
    rf"|client|formatter|sender|counter|manager|address))",
    re.IGNORECASE,
)
_FILES = re.compile(r"(?<![\w/.-])[\w-]+\.(js|ts|html|css|sql|sh|go|rs|rb|php|java|cpp|c)\b(?!\()")
_BY_ENDING = {
    "js": "javascript",
    "ts": "typescript",
    "sh": "shell",
    "rs": "rust",
    "rb": "ruby",
    "cpp": "c++",
}
_PYTHON = re.compile(
    r"\bpython\b|\w\.py\b|^[ \t]*def \w|>>>|\bpytest\b", re.IGNORECASE | re.MULTILINE
)


def find_constraints(text: str) -> list[str]:
    """Return clauses that say how it is to be done, in the goal's words."""
    found = (" ".join(each[0].split()) for each in _CONSTRAINT.finditer(text))
    return list(dict.fromkeys(found))[:MAX_CONSTRAINTS]


def find_packages(text: str) -> list[str]:
    """Return the distributions that a goal asks for by name."""
    return list(dict.fromkeys(_packages(text)))


def _packages(text: str) -> Iterator[str]:
    for found in _ANY_PACKAGE.finditer(text):
        before = text[max(0, found.start() - 40) : found.start()]
        if _UNWANTED.search(before):
            continue
        name = found[0].lower()
        plain = name not in _WORDS or found[0] != name or bool(_ENDS.match(text, found.end()))
        wanted = _WANTED.search(before) and (plain or (name == "requests" and _WEB.search(text)))
        if name not in _WORDS or wanted or _IS_PACKAGE.match(text, found.end()):
            yield PACKAGES[name]


def find_language(text: str, *, names_python: bool) -> str:
    """Return what a goal wants to have written: `python` unless it clearly says something else.

    `names_python`: whether something else in it already says that it is about Python.
    """
    if names_python or _PYTHON.search(text):
        return "python"
    for pattern in (_MADE_IN, _IN_LANGUAGE):
        if found := pattern.search(text):
            return _LANGUAGES.get(found["name"].lower(), "go")
    if _PAGE.search(text):
        return "html"
    if _PROSE.search(text):
        return "prose"
    if ended := _FILES.search(text):
        return _BY_ENDING.get(ended[1], ended[1])
    return "python"
