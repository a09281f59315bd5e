"""Everything that an installation brings has a licence that ATOS may depend on, and is listed."""

import pytest

import licences

HERE = licences.installed()


def test_every_licence_is_permitted() -> None:
    foreign = {
        name: licence
        for name, licence in HERE.items()
        if not licences.parts(licence) <= licences.PERMITTED
    }
    assert foreign == {}


def test_the_page_lists_what_is_installed() -> None:
    listed = licences.listed(licences.PAGE.read_text(encoding="utf-8"))
    missing = {name: licence for name, licence in HERE.items() if listed.get(name) != licence}
    assert missing == {}, "run python tests/licences.py"


@pytest.mark.parametrize(
    ("licence", "read"),
    [
        ("MIT", {"MIT"}),
        ("MPL-2.0 AND (Apache-2.0 OR MIT)", {"MPL-2.0", "Apache-2.0", "MIT"}),
        ("", {""}),
    ],
)
def test_each_part_of_an_expression_counts(licence: str, read: set[str]) -> None:
    assert licences.parts(licence) == read


def test_no_licence_is_none_that_is_permitted() -> None:
    assert not licences.parts("") <= licences.PERMITTED
