"""Reads a brief from a goal's text. Pure, and linear in the length of the text.

modules      `topwords.py`, `a module called stack`; each part of the text is about one of them
examples     calls with what they give: doctests, code, sentences
signatures   functions and classes, from the text without its examples
errors       clauses that say which error is raised when
wishes       constraints, packages, a language that is not Python
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from atos_orchestrator.planning.brief.error_clauses import find_errors
from atos_orchestrator.planning.brief.examples import blanked, find_examples
from atos_orchestrator.planning.brief.findings import Brief, Place
from atos_orchestrator.planning.brief.modules import find_modules
from atos_orchestrator.planning.brief.signatures import find_signatures
from atos_orchestrator.planning.brief.web_examples import application_in, with_application
from atos_orchestrator.planning.brief.wishes import (
    find_constraints,
    find_language,
    find_packages,
)

_SHOWN = re.compile(r"^[ \t]*(?:[-*+•][ \t]+)?`{0,3}(?:>>>|assert\b)[^\n]*", re.MULTILINE)


def read_brief(text: str) -> Brief:
    """Return what the rules find in a goal's text; the same text gives the same brief."""
    modules = find_modules(text)
    names = frozenset(PurePosixPath(path).stem for path in modules.paths)
    examples = find_examples(text, names)
    shown = [Place(*found.span()) for found in _SHOWN.finditer(text)]
    prose = blanked(text, [*shown, *(example.place for example in examples)])
    signatures = find_signatures(text, prose, modules, examples)
    signatures = with_application(text, signatures, application_in(text))
    packages = find_packages(text)
    named = bool(modules.paths or packages or examples)
    return Brief(
        modules=modules.paths,
        signatures=tuple(signatures),
        examples=tuple(examples),
        errors=tuple(find_errors(text, prose, modules, signatures)),
        constraints=tuple(find_constraints(text)),
        packages=tuple(packages),
        language=find_language(text, names_python=named),
    )
