"""What a web application is called that a task is to make, and how its file begins. Pure.

Only of Flask, whose test client comes with it: elsewhere an application could be made, but not asked.
"""

from __future__ import annotations

import re
from collections.abc import Collection

PACKAGE = "flask"
FACTORY = r"(?:create|make|build|get)_(?:\w+_)?app(?:lication)?"
"""What a function that gives an application is called."""
VARIABLE = "app"
"""What an application is called that no function gives."""

_IMPORTS = "from flask import Flask, jsonify, request\n\n"


def application_of(signature: str, packages: Collection[str]) -> str:
    """Return the source that gives the web application of this signature.

    Empty where it is none with a test client, or making it needs arguments.
    """
    if PACKAGE not in packages:
        return ""
    if signature == VARIABLE:
        return VARIABLE
    name = signature.removesuffix("()")
    return f"{name}()" if re.fullmatch(FACTORY, name) else ""


def application_opening(application: str) -> str:
    """Return how the file of an application begins: its imports, and the line that makes it or begins its factory."""
    if application == VARIABLE:
        return f"{_IMPORTS}{VARIABLE} = Flask(__name__)\n"
    return f"{_IMPORTS}\ndef {application}:\n"
