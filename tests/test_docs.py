"""The documentation can't drift: links resolve, settings and commands are all named."""

import re
from pathlib import Path

import pytest

from atos.cli.commands import parser
from atos_protocol.settings import TUNABLE

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)", page.read_text())
    missing = [
        t for t in targets if "://" not in t and not (page.parent / t).exists()
    ]  # fmt: skip
    assert missing == []


def test_the_settings_page_has_a_row_for_every_setting() -> None:
    text = (ROOT / "docs" / "settings.md").read_text()
    rows = {
        name: f"| {field.metadata['about']} | {field.metadata['expects']} |"
        for name, field in TUNABLE.items()
    }
    wrong = [n for n, row in rows.items() if f"| `{n}` |" not in text or row not in text]
    assert wrong == []


def test_the_readme_names_every_command_of_the_client() -> None:
    text = (ROOT / "README.md").read_text()
    actions = [a for a in parser()._actions if a.choices]
    commands = [str(name) for a in actions for name in (a.choices or ())]
    assert commands
    known = {"up"}  # started by every other command; in `make help`
    assert [c for c in commands if c not in known and c not in text] == []


def test_every_dependency_has_its_line() -> None:
    pyproject = (ROOT / "pyproject.toml").read_text()
    block = pyproject.split("dependencies = [")[1].split("\n]")[0]
    names = re.findall(r'^\s+"([a-z0-9-]+)', block, re.MULTILINE)
    text = (ROOT / "docs" / "decisions" / "0001-dependencies.md").read_text()
    assert len(names) > 10
    assert [n for n in names if n not in text] == []
