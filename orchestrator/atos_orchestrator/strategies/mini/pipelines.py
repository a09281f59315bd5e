"""Composed list functions: a reduction of a mapping of a filter, "sum the squares of the even numbers".

Every combination that makes sense is a family of its own, so it is named, tested and trained like
the written ones. A few combinations are held out of training, to measure whether the model composes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from atos_orchestrator.strategies.mini.family import Cases, Family


@dataclass(frozen=True, slots=True)
class Part:
    """One stage: its name, how people say it (alternatives), its Python."""

    name: str
    says: str
    ways: str
    code: str


FILTERS = (
    Part("even", "the even numbers", "[the|all|the] even numbers", "x % 2 == 0"),
    Part("odd", "the odd numbers", "[the|all|the] odd numbers", "x % 2 == 1"),
    Part("positive", "the positive numbers", "[the|all|the] positive numbers", "x > 0"),
    Part("negative", "the negative numbers", "[the|all|the] negative numbers", "x < 0"),
    Part(
        "over_{k}",
        "the numbers greater than {k}",
        "[the|all] numbers [greater than|above|over|bigger than] {k}",
        "x > {k}",
    ),
    Part(
        "under_{k}",
        "the numbers less than {k}",
        "[the|all] numbers [less than|below|under|smaller than] {k}",
        "x < {k}",
    ),
    Part(
        "multiples_of_{k}",
        "the multiples of {k}",
        "[the multiples of|all multiples of|the numbers divisible by] {k}",
        "x % {k} == 0",
    ),
    Part("numbers", "the numbers", "[all|the|all the] numbers", ""),
)
MAPS = (
    Part("", "", "", "x"),
    Part("squared", "the squares of ", "[the|] squares of ", "x * x"),
    Part("doubled", "the doubles of ", "[the|] doubles of ", "2 * x"),
    Part("cubed", "the cubes of ", "[the|] cubes of ", "x ** 3"),
    Part("halved", "the halves of ", "[the|] halves of ", "x / 2"),
    Part("abs", "the absolute values of ", "[the|] absolute values of ", "abs(x)"),
)
REDUCTIONS = (
    Part("sum", "sum", "[sum|add up|compute the sum of|return the total of]", "sum({g})"),
    Part("count", "count", "[count|return the number of|find how many of]", "len([{g}])"),
    Part("list", "list", "[list|return a list of|return]", "[{g}]"),
    Part(
        "max",
        "find the largest of",
        "[find|return|get] the [largest|maximum] of",
        "max(({g}), default=None)",
    ),
    Part(
        "min",
        "find the smallest of",
        "[find|return|get] the [smallest|minimum] of",
        "min(({g}), default=None)",
    ),
)
NUMBERS = (2, 100)
_CASES: Cases = (([1, 2, 3, 4],), ([-3, 0, 5, 8],), ([],), ([10, 15, 21, -6, -14],), ([7],))


def name_of(reduction: str, mapping: str, chosen: str) -> str:
    """Name the combination: ``sum_squared_even``, ``count_over_{k}``."""
    return "_".join(part for part in (reduction, mapping, chosen) if part)


def makes_sense(reduction: Part, mapping: Part, chosen: Part) -> bool:
    """Counting squares is counting; everything of everything is a family of its own."""
    if reduction.name == "count":
        return not mapping.name and bool(chosen.code)
    return bool(mapping.name or chosen.code)


def _combine(reduction: Part, mapping: Part, chosen: Part) -> Family:
    condition = f" if {chosen.code}" if chosen.code else ""
    generator = f"{mapping.code} for x in numbers{condition}"
    slotted = "{k}" in chosen.name
    return Family(
        name=name_of(reduction.name, mapping.name, chosen.name),
        params="numbers",
        body="return " + reduction.code.replace("{g}", generator),
        says=f"{reduction.says} {mapping.says}{chosen.says} in a list",
        wordings=(f"{reduction.ways} {mapping.ways}{chosen.ways} [in|of] a list",),
        cases=_CASES,
        ordered=True,
        numbers=NUMBERS if slotted else None,
        cases_at=_around if slotted else None,
    )


def _around(k: int) -> Cases:
    return (([k, k + 1, k - 1],), ([2 * k, -k, 3 * k + 1],))


def _all() -> Iterator[Family]:
    for chosen in FILTERS:
        for mapping in MAPS:
            for reduction in REDUCTIONS:
                if makes_sense(reduction, mapping, chosen):
                    yield _combine(reduction, mapping, chosen)


PIPELINES: dict[str, Family] = {family.name: family for family in _all()}
HELD_OUT: frozenset[str] = frozenset(
    name for index, name in enumerate(PIPELINES) if index % 7 == 3 and name.count("_")
)
