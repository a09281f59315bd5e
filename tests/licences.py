"""The licences of everything that `pip install atos` brings: `python tests/licences.py` writes docs/licences.md.

Read from the metadata of what is installed. `test_licences.py` fails when the page lacks a package, or when a
licence is not among those that ATOS may depend on.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "licences.md"
HEAD = """# Licences

ATOS is under the MIT licence. `pip install atos` brings these packages, each under its own licence; none is
changed, bundled or linked statically. LGPL and MPL concern changes of those packages themselves. The list is made
from what is installed (`python tests/licences.py`), and a test fails on a licence that is not permitted here.
Models come separately, each with its licence shown before the download ([models](models.md)).

| package | licence |
|---|---|
"""
PERMITTED = frozenset(
    ["Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "ISC", "LGPL-3.0-only", "MIT", "MPL-2.0", "PSF-2.0", "Zlib"]
)  # fmt: skip
READ_BY_HAND = {"pysqlite3": "Zlib"}
"""Packages whose metadata names none, and what their repository says."""
FIELDS = ("License-Expression", "License")
MOST = 60
"""Characters; a longer field holds the licence's text."""
NAMES = {
    "Apache 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "MIT License": "MIT",
}


def installed(root: str = "atos") -> dict[str, str]:
    """Return the licence of everything that a package needs here, without its extras, by name."""
    found: dict[str, str] = {}
    todo = [root]
    while todo:
        name = canonicalize_name(todo.pop())
        if name in found:
            continue
        distribution = importlib.metadata.distribution(name)
        found[name] = licence_of(distribution)
        todo += needed(distribution)
    del found[root]
    return dict(sorted(found.items()))


def needed(distribution: importlib.metadata.Distribution) -> Iterator[str]:
    """Yield what a package needs on this machine, extras left out."""
    for line in distribution.requires or ():
        wanted = Requirement(line)
        if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
            yield wanted.name


def licence_of(distribution: importlib.metadata.Distribution) -> str:
    """Return the licence that a package's metadata names, as an SPDX expression as far as possible; "" for none."""
    said = [text for field in FIELDS for text in _values(distribution, field) if len(text) < MOST]
    classes = [text.rpartition(":: ")[2] for text in _values(distribution, "Classifier")]
    told = next(iter([*said, *(each for each in classes if each in NAMES)]), "")
    return NAMES.get(told, told) or READ_BY_HAND.get(canonicalize_name(distribution.name), "")


def _values(distribution: importlib.metadata.Distribution, field: str) -> list[str]:
    found: list[str] = distribution.metadata.get_all(field, [])
    return [text for text in found if text]


def parts(licence: str) -> set[str]:
    """Return the licences that an expression speaks of."""
    return {part.strip(" ()") for part in re.split(r" (?:AND|OR) ", licence)}


def page(licences: dict[str, str]) -> str:
    """Return the page."""
    return HEAD + "".join(f"| {name} | {licence} |\n" for name, licence in licences.items())


def listed(text: str) -> dict[str, str]:
    """Return what a page lists."""
    return dict(re.findall(r"^\| ([a-z0-9-]+) \| (.+) \|$", text, re.MULTILINE)) if text else {}


if __name__ == "__main__":
    PAGE.write_text(page(installed()), encoding="utf-8")
