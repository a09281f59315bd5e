"""What is short on a machine is told from what is wrong with a request."""

import errno

import pytest

from atos_protocol.shortage import shortage_of


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "no_space"),
        (errno.EDQUOT, "no_space"),
        (errno.EMFILE, "busy"),
        (errno.ENOMEM, "busy"),
        (errno.EAGAIN, "busy"),
    ],
)
def test_a_shortage_has_a_code_that_is_waited_for(number: int, code: str) -> None:
    found = shortage_of(OSError(number, "words of the system"))

    assert found is not None
    assert (found.code, "words of the system" in found.message) == (code, True)


@pytest.mark.parametrize("error", [None, KeyError("x"), FileNotFoundError(errno.ENOENT, "gone")])
def test_anything_else_is_none(error: BaseException | None) -> None:
    assert shortage_of(error) is None
