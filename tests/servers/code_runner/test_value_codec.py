"""Values that cross between the tests' process and the code's."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atos_servers.code_runner.sandbox.value_codec import Opaque, ValueCodecError, decode, encode

atoms = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.complex_numbers(allow_nan=False)
    | st.builds(range, st.integers(-9, 9), st.integers(-9, 9))
)
hashable = st.recursive(
    atoms, lambda inner: st.tuples(inner, inner) | st.frozensets(inner), max_leaves=6
)
values = st.recursive(
    atoms,
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.sets(hashable)
        | st.dictionaries(hashable, inner)
    ),
    max_leaves=12,
)


@given(values)
def test_a_plain_value_comes_back_equal_and_of_its_type(value: Any) -> None:
    back = decode(json.loads(json.dumps(encode(value))))
    assert back == value
    assert type(back) is type(value)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.text(max_size=2), x),
    )
)
def test_no_reply_can_be_more_than_a_plain_value_or_an_error(form: Any) -> None:
    try:
        value = decode(form)
    except ValueCodecError:
        return
    assert type(value).__module__ in {"builtins", Opaque.__module__}


def test_an_object_that_equals_everything_does_not_cross() -> None:
    class Agreeing:
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = None  # pyright: ignore[reportAssignmentType]

    crossed = decode(encode([Agreeing()]))[0]
    assert crossed != 3
    assert crossed != crossed  # noqa: PLR0124 - the point


def test_a_subclass_of_a_plain_type_is_not_taken_for_it() -> None:
    class Sly(int):
        pass

    assert isinstance(decode(encode(Sly(3))), Opaque)


def test_a_list_in_itself_is_an_error_and_no_endless_loop() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(ValueCodecError):
        encode(loop)
