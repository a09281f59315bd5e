"""Special methods that a goal speaks of without their names."""

import pytest

from atos_orchestrator.planning.brief.special_methods import special_methods


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("len() of the cache and the operator in work as with a dict", ("__len__", "__contains__")),
        ("push, pop, peek, and len() of it", ("__len__",)),
        ("it is iterable and a context manager", ("__iter__", "__enter__ and __exit__")),
        ("two points are compared by ==; str(point) gives (1, 2)", ("__eq__", "__str__")),
        ("the names in the list, sorted by length", ()),
    ],
)
def test_they_are_found_in_ordinary_words(text: str, found: tuple[str, ...]) -> None:
    assert special_methods(text) == found
