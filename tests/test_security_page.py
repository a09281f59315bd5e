"""Each guarantee of docs/security.md names a test, and each test that is named exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "security.md"
FILES = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for path in (ROOT / "tests").rglob("test_*.py")
}
HEADS = (
    "|---",
    "| who ",
    "| guarantee ",
    "| | guarantee ",
    "| | attack ",
    "| id | guarantee ",
    "| id | attack ",
)


def rows() -> list[str]:
    """The rows of every table of guarantees; the table of who is who has none."""
    lines = PAGE.read_text().splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith("## Where tools may write"))
    return [line for line in lines[start:] if line.startswith("|") and not line.startswith(HEADS)]


def test_each_guarantee_names_a_test() -> None:
    without = [row for row in rows() if not ("test_" in row or "the same" in row or "`..." in row)]
    assert rows()
    assert without == []


@pytest.mark.parametrize("name", sorted(set(re.findall(r"[\w./]*test_\w+\.py", PAGE.read_text()))))
def test_each_file_that_is_named_exists(name: str) -> None:
    assert [path for path in FILES if path == name or path.endswith(f"/{name}")], name


@pytest.mark.parametrize("name", sorted(set(re.findall(r"::(test_\w+)`", PAGE.read_text()))))
def test_each_test_that_is_named_exists(name: str) -> None:
    assert [path for path, text in FILES.items() if f"def {name}(" in text], name


@pytest.mark.parametrize("part", sorted(set(re.findall(r"`\.\.(\w+)(?:\.\.)?`", PAGE.read_text()))))
def test_each_test_that_is_named_by_a_part_of_its_name_exists(part: str) -> None:
    pattern = re.compile(rf"def test_\w*{part}\w*\(")
    assert [path for path, text in FILES.items() if pattern.search(text)], part


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`([A-Z]+_[A-Z]+)`", PAGE.read_text()))))
def test_each_table_of_cases_that_is_named_exists(name: str) -> None:
    assert [path for path, text in FILES.items() if re.search(rf"\b{name}\b", text)], name
