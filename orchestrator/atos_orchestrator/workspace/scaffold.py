"""The first files of a repository that ATOS makes."""

from __future__ import annotations

from collections.abc import Collection

PYPROJECT = """\
[project]
name = "{slug}"
version = "0.1.0"
requires-python = ">=3.11"

[tool.pytest.ini_options]
pythonpath = ["."]
testpaths = ["tests"]
"""

README = """\
# {title}

{goal}

Made by ATOS. How it came about: `{record}`.

    python -m pytest
"""

IGNORED = "__pycache__/\n.pytest_cache/\n.venv/\n.atos/\n"

CONFTEST = '"""Puts the repository\'s root on the path of its tests."""\n'


def record_path(slug: str) -> str:
    """Return where the record of a goal's execution lies in its repository."""
    return f"docs/execution/{slug}.md"


def scaffold(slug: str, goal: str) -> dict[str, str]:
    """Return path -> text of the first commit of a new repository."""
    title = slug.replace("-", " ").capitalize()
    return {
        ".gitignore": IGNORED,
        "README.md": README.format(title=title, goal=goal.strip(), record=record_path(slug)),
        "pyproject.toml": PYPROJECT.format(slug=slug),
    }


def import_aid(root_files: Collection[str]) -> dict[str, str]:
    """Return what lets tests import modules at the root of a person's repository.

    Nothing where it has a `conftest.py` there already, which does the same.
    """
    return {} if "conftest.py" in root_files else {"conftest.py": CONFTEST}
