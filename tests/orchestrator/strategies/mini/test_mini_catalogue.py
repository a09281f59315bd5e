"""The catalogue: references, gates that can fail, stubs."""

import ast
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from atos_orchestrator.strategies.mini import catalogue
from atos_orchestrator.strategies.mini.families import FAMILIES
from atos_orchestrator.strategies.mini.family import Family, Function, Wanted, expand
from atos_orchestrator.strategies.mini.pipelines import PIPELINES
from atos_orchestrator.strategies.mini.scope import wanted

EVERY = [wanted(family, None if family.numbers is None else 7) for family in catalogue.families()]
FORBIDDEN = {"open", "exec", "eval", "compile", "__import__", "globals", "getattr", "input"}


def failing(gate: str, module: str, source: str) -> list[str]:
    """Run a gate's tests against a module's source, both the catalogue's own; name those that fail."""
    written = types.ModuleType(module)
    exec(source, written.__dict__)  # noqa: S102 (the catalogue's own text)
    namespace: dict[str, Any] = {}
    kept = sys.modules.get(module)
    sys.modules[module] = written
    try:
        exec(gate, namespace)  # noqa: S102 (the catalogue's own text)
    finally:
        if kept is None:
            del sys.modules[module]
        else:
            sys.modules[module] = kept
    tests = {name: test for name, test in namespace.items() if name.startswith("test_")}
    assert len(tests) >= 5
    return [name for name, test in tests.items() if not _passes(test)]


def _passes(test: Callable[[], None]) -> bool:
    try:
        test()
    except Exception:  # noqa: BLE001 (a wrong function may raise anything)
        return False
    return True


def posing(other: Function, as_name: str) -> str:
    """Give another function's source under the name that a gate imports."""
    return other.source.replace(f"def {other.name}(", f"def {as_name}(", 1)


def test_there_are_75_written_families_with_ten_wordings_each() -> None:
    few = {
        family.name: count
        for family in FAMILIES.values()
        if (count := sum(1 for line in family.wordings for _ in expand(line))) < 10
    }

    assert (len(FAMILIES), len(PIPELINES)) == (75, 195)  # the figures in docs/atos_mini.md
    assert few == {}


@pytest.mark.parametrize("one", EVERY, ids=lambda one: one.family)
def test_a_reference_passes_its_acceptance_test_and_its_stub_fails_it(one: Wanted) -> None:
    acceptance = catalogue.acceptance_test(one)
    name = catalogue.module_name(one)

    assert failing(acceptance, name, catalogue.function(one).source) == []
    assert failing(acceptance, name, catalogue.stub_source(one)) != []


@pytest.mark.timeout(60)
def test_no_other_written_family_passes_an_acceptance_test() -> None:
    written = [one for one in EVERY if one.family in FAMILIES]

    fooled = [
        (one.family, other.family)
        for one in written
        for other in written
        if _comparable(one, other)
        and not failing(
            catalogue.acceptance_test(one),
            catalogue.module_name(one),
            posing(catalogue.function(other), catalogue.module_name(one)),
        )
    ]

    assert fooled == []


@pytest.mark.parametrize("name", ["sum_squared_even", "max_squared_over_{k}", "list_doubled_odd"])
def test_a_composed_functions_acceptance_test_fails_on_every_neighbour(name: str) -> None:
    one = _of(PIPELINES[name])
    acceptance = catalogue.acceptance_test(one)

    fooled = [
        family.name
        for family in PIPELINES.values()
        if family.name != name
        and not failing(
            acceptance,
            catalogue.module_name(one),
            posing(catalogue.function(_of(family)), catalogue.module_name(one)),
        )
    ]

    assert fooled == []


@pytest.mark.parametrize("one", EVERY, ids=lambda one: one.family)
def test_a_reference_needs_no_imports_no_dunders_and_no_dangerous_names(one: Wanted) -> None:
    tree = ast.parse(catalogue.function(one).source)

    for node in ast.walk(tree):
        assert not isinstance(node, ast.Import | ast.ImportFrom)
        assert not (isinstance(node, ast.Attribute) and node.attr.startswith("_"))
        assert not (isinstance(node, ast.Name) and node.id in FORBIDDEN)


def test_pytest_itself_passes_a_reference_and_fails_a_stub(tmp_path: Path) -> None:
    one = _of(FAMILIES["celsius_to_fahrenheit"])
    (tmp_path / "test_acceptance.py").write_text(catalogue.acceptance_test(one))
    outcomes: list[int] = []

    for source in (catalogue.function(one).source, catalogue.stub_source(one)):
        (tmp_path / f"{catalogue.module_name(one)}.py").write_text(source)
        command = [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        done = subprocess.run([*command, str(tmp_path)], cwd=tmp_path, timeout=15, check=False)
        outcomes.append(done.returncode)

    assert outcomes == [0, 1]


def test_names_and_signatures_carry_the_number() -> None:
    one = _of(PIPELINES["sum_over_{k}"], 12)

    assert catalogue.module_name(one) == "sum_over_12"
    assert catalogue.signature(one) == "sum_over_12(numbers)"
    assert one.wording == "sum the numbers greater than 12 in a list"


def test_the_printed_catalogue_names_every_written_family() -> None:
    printed = catalogue.printed()

    missing = [f.name for f in FAMILIES.values() if f.says.replace("{k}", "K") not in printed]
    assert missing == []


def _of(family: Family, k: int = 7) -> Wanted:
    return wanted(family, None if family.numbers is None else k)


def _comparable(one: Wanted, other: Wanted) -> bool:
    """Leave out the family itself, and functions that are the same but for their names."""
    first, second = catalogue.function(one), catalogue.function(other)
    return one.family != other.family and _shape(first) != _shape(second)


def _shape(found: Function) -> str:
    body = found.body
    for place, name in enumerate(found.params.split(", ")):
        body = body.replace(name, f"p{place}")
    return body
