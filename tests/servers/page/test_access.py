"""Codes and sessions: a code is good once and for a minute; a cookie without its secret is worth nothing."""

from pathlib import Path

import pytest

from atos_protocol.errors import UnauthorizedError
from atos_protocol.settings import load_settings
from atos_protocol.tokens import default_token, rotate_token
from atos_servers.page.access import CODE_SECONDS, SESSION_SECONDS, PageAccess


class Clock:
    """A clock that stands until it is told to go on."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def access(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock) -> PageAccess:
    monkeypatch.setenv("ATOS_HOME", str(tmp_path / "atos"))
    settings = load_settings()
    settings.prepare()
    default_token(settings.token_file)
    return PageAccess(settings, clock)


def test_a_code_is_good_once(access: PageAccess) -> None:
    code = access.new_code()
    session = access.redeem(code)
    access.check(session.cookie, session.secret)
    with pytest.raises(UnauthorizedError, match="used already") as refused:
        access.redeem(code)
    assert "atos-client open" in refused.value.next_step


def test_a_code_is_good_for_a_minute(access: PageAccess, clock: Clock) -> None:
    code = access.new_code()
    clock.now += CODE_SECONDS
    with pytest.raises(UnauthorizedError, match="older than 60 s"):
        access.redeem(code)


def test_only_so_many_codes_wait_and_the_oldest_goes_first(access: PageAccess) -> None:
    codes = [access.new_code() for _ in range(17)]
    access.redeem(codes[-1])
    with pytest.raises(UnauthorizedError):
        access.redeem(codes[0])


def test_a_session_outlives_the_host(access: PageAccess, clock: Clock) -> None:
    session = access.redeem(access.new_code())
    PageAccess(load_settings(), clock).check(session.cookie, session.secret)


def test_a_session_ends_after_half_a_day(access: PageAccess, clock: Clock) -> None:
    session = access.redeem(access.new_code())
    clock.now += SESSION_SECONDS + 1
    with pytest.raises(UnauthorizedError):
        access.check(session.cookie, session.secret)


def test_a_session_ends_when_the_token_is_rotated(access: PageAccess) -> None:
    session = access.redeem(access.new_code())
    rotate_token(load_settings())
    with pytest.raises(UnauthorizedError):
        access.check(session.cookie, session.secret)


def test_a_cookie_that_another_port_has_read_is_worth_nothing(access: PageAccess) -> None:
    mine, other = access.redeem(access.new_code()), access.redeem(access.new_code())
    for cookie, secret in (
        (mine.cookie, ""),
        (mine.cookie, other.secret),
        ("", mine.secret),
        (f"9{mine.cookie}", mine.secret),
        (mine.cookie[:-1], mine.secret),
        ("..", ".."),
        ("é.é.é", "é"),
    ):
        with pytest.raises(UnauthorizedError):
            access.check(cookie, secret)
