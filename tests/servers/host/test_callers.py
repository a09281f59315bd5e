"""Whose token it is: looked up in files that change while the host runs."""

from pathlib import Path

import pytest

from atos_protocol.settings import Settings
from atos_protocol.tokens import add_token, default_token, revoke_token, rotate_token
from atos_servers.host.callers import Caller, Callers


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(home=tmp_path / "home", workspaces=tmp_path / "goals")
    settings.prepare()
    return settings


def test_every_change_of_the_files_holds_from_the_next_look(
    settings: Settings, tmp_path: Path
) -> None:
    callers = Callers(settings)
    first = default_token(settings.token_file).encode()
    assert (callers.identify(first), callers.identify(b"guess")) == (Caller("default"), None)
    second = rotate_token(settings).encode()
    assert (callers.identify(first), callers.identify(second)) == (None, Caller("default"))
    named = add_token(settings, "n8n", [tmp_path]).encode()
    assert callers.identify(named) == Caller("n8n", (tmp_path,))
    again = rotate_token(settings, "n8n").encode()
    assert (callers.identify(named), callers.identify(again)) == (None, Caller("n8n", (tmp_path,)))
    revoke_token(settings, "n8n")
    assert callers.identify(again) is None


def test_a_file_that_others_may_read_makes_its_tokens_worthless_and_no_others(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    callers = Callers(settings)
    first = default_token(settings.token_file).encode()
    named = add_token(settings, "n8n").encode()
    settings.named_tokens_file.chmod(0o644)
    assert (callers.identify(named), callers.identify(first)) == (None, Caller("default"))
    assert "mode 0600" in caplog.text
    settings.named_tokens_file.chmod(0o600)
    assert callers.identify(named) == Caller("n8n")


def test_without_files_nobody_is_known(settings: Settings) -> None:
    callers = Callers(settings)
    assert [callers.identify(token) for token in (b"", b"x")] == [None, None]
    settings.token_file.touch(0o600)
    assert callers.identify(b"") is None
