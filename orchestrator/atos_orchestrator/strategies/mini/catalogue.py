"""What atos-mini can do: signatures, references, and the acceptance tests that decide about its code.

A function's acceptance test is rendered from its reference: every expected value is computed by running
the reference, never by a model, so a wrong answer can't bring its own proof.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, cast

from atos_orchestrator.strategies.mini.families import FAMILIES, THEMES
from atos_orchestrator.strategies.mini.family import Family, Function, Wanted, at
from atos_orchestrator.strategies.mini.pipelines import FILTERS, MAPS, PIPELINES, REDUCTIONS


def families() -> Iterator[Family]:
    """Yield every family: the written ones, then the composed list functions."""
    yield from FAMILIES.values()
    yield from PIPELINES.values()


def family_named(name: str) -> Family:
    """Look a family up by name.

    Raises:
        KeyError: There is none of that name.
    """
    return FAMILIES[name] if name in FAMILIES else PIPELINES[name]


def function(wanted: Wanted) -> Function:
    """Give the reference for what is wanted."""
    return at(family_named(wanted.family), dict(wanted.slots).get("k"))


def module_name(wanted: Wanted) -> str:
    """Name the module, without ``.py``; the function in it has the same name."""
    return function(wanted).name


def signature(wanted: Wanted) -> str:
    """Give the signature that the module must define, such as ``add(a, b)``."""
    found = function(wanted)
    return f"{found.name}({found.params})"


def stub_source(wanted: Wanted) -> str:
    """Give a module that has the right signature and does nothing; every acceptance test must fail on it."""
    return f"def {signature(wanted)}:\n    return None\n"


def acceptance_test(wanted: Wanted) -> str:
    """Render the acceptance test: a pytest file with one assert per case of the reference."""
    found = function(wanted)
    tests = "\n\n".join(
        _test(found, index, arguments) for index, arguments in enumerate(found.cases)
    )
    approx = "from pytest import approx\n\n" if "approx(" in tests else ""
    head = f'"""Acceptance test of {found.name}, rendered from the catalogue of atos-mini."""\n\n'
    return f"{head}{approx}from {found.name} import {found.name}\n\n\n{tests}"


def expected(found: Function, arguments: tuple[object, ...]) -> object:
    """Run a reference on arguments."""
    return _callable(found.source, found.name)(*arguments)


def call_text(found: Function, arguments: tuple[object, ...]) -> str:
    """Write a call of the function as source text."""
    return f"{found.name}({', '.join(map(repr, arguments))})"


def printed() -> str:
    """List for people what atos-mini can do, one line each."""
    lines: list[str] = []
    for theme, members in THEMES.items():
        lines.append(f"{theme}:")
        lines += [f"  {family.says.replace('{k}', 'K')}" for family in members]
    lines.append(f"lists, composed ({len(PIPELINES)} combinations), such as")
    lines.append("  sum the squares of the even numbers in a list")
    for title, parts in (("reduce", REDUCTIONS), ("of", MAPS), ("over", FILTERS)):
        said = ", ".join(part.says.replace("{k}", "K").strip() or "(as they are)" for part in parts)
        lines.append(f"  {title}: {said}")
    lines.append("toolkits of two to six of these: Build a toolkit: count words, reverse a string")
    return "\n".join(lines) + "\n"


def _test(found: Function, index: int, arguments: tuple[object, ...]) -> str:
    value = expected(found, arguments)
    shown = f"approx({value!r})" if isinstance(value, float) else repr(value)
    test = f"def test_{found.name}_case_{index + 1}():\n"
    if isinstance(value, bool) or value is None:
        return f"{test}    assert {call_text(found, arguments)} is {shown}\n"
    return f"{test}    assert {call_text(found, arguments)} == {shown}\n"


@lru_cache(maxsize=512)
def _callable(source: str, name: str) -> Callable[..., object]:
    # The source is the catalogue's own text, never a model's: this is how a data file becomes a function.
    namespace: dict[str, Any] = {}
    exec(compile(source, f"<catalogue {name}>", "exec"), namespace)  # noqa: S102
    return cast("Callable[..., object]", namespace[name])
