"""What may be asked for: names and versions, and nothing that pip could take for something else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

from atos_protocol.errors import BadRequestError
from atos_servers.code_runner.packages.requirements import (
    MOST_PACKAGES,
    OPERATORS,
    checked_packages,
    environment_key,
)


def test_names_are_normalised_and_sorted_and_named_once() -> None:
    asked = [
        "PyYAML",
        "requests[Socks,security] >= 2.31",
        "flask~=3.0",
        "Flask ~= 3.0",
        "httpx<0.29,>=0.28",
    ]
    expected = ("flask~=3.0", "httpx<0.29,>=0.28", "pyyaml", "requests[security,socks]>=2.31")
    assert checked_packages(asked) == expected


def test_pytest_is_there_without_being_installed() -> None:
    assert checked_packages(["pytest"]) == ()


@pytest.mark.parametrize(
    "text",
    [
        "", "-r /etc/passwd", "--index-url=http://x", "flask @ https://x/flask.whl", "./flask",
        "/tmp/flask.whl", "git+https://x/y", "flask; python_version > '3'", "flask===3.0",
        "flask\n--pre", "flask --pre", "flask==1 -r x", "flâsk", "a" * 101,
    ],
)  # fmt: skip
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(BadRequestError):
        checked_packages([text])


def test_a_package_named_with_two_versions_is_refused() -> None:
    with pytest.raises(BadRequestError, match="flask is named twice"):
        checked_packages(["flask==3.0", "Flask==3.1"])


def test_more_packages_than_a_goal_needs_are_refused() -> None:
    names = [f"package{number}" for number in range(MOST_PACKAGES + 1)]
    assert len(checked_packages(names[:-1])) == MOST_PACKAGES
    with pytest.raises(BadRequestError, match="25 packages are more than 24"):
        checked_packages(names)


PIECES = st.sampled_from(
    ["flask", "Py.YAML", "-", "--", "[", "]", "==", ">=", "~=", "<", "@", " ", "/", ":", ";", "1.0", "*", ","]
)  # fmt: skip


@given(st.lists(PIECES, max_size=6).map("".join) | st.text(max_size=20))
def test_what_is_accepted_is_a_plain_requirement_in_a_form_that_stays(text: str) -> None:
    try:
        accepted = checked_packages([text])
    except BadRequestError:
        return
    assert checked_packages(accepted) == accepted
    for whole in accepted:
        parsed = Requirement(whole)
        assert whole[0].isalnum()
        assert not parsed.url
        assert not parsed.marker
        assert {each.operator for each in parsed.specifier} <= OPERATORS


def test_the_environment_depends_on_what_is_asked_for_and_not_on_the_order() -> None:
    assert environment_key(["a", "b==1"]) == environment_key(["b==1", "a"])
    assert environment_key(["a"]) != environment_key(["a==1"])
