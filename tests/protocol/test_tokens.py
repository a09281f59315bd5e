"""The tokens of HTTP clients: the files that they are kept in, and how they change."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from atos_protocol.errors import BadConfigError, BadRequestError, ConflictError, NotFoundError
from atos_protocol.settings import Settings
from atos_protocol.tokens import (
    NamedToken,
    add_token,
    default_token,
    digest,
    named_tokens,
    revoke_token,
    rotate_token,
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(home=tmp_path / "home", workspaces=tmp_path / "goals")
    settings.prepare()
    return settings


def test_a_named_token_is_kept_as_a_hash_with_its_directories(
    settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    token = add_token(settings, "n8n", [tmp_path / "link"])
    (kept,) = named_tokens(settings)
    assert kept == NamedToken("n8n", digest(token.encode()), kept.created, (str(tmp_path),))
    assert token not in settings.named_tokens_file.read_text()
    assert stat.S_IMODE(settings.named_tokens_file.stat().st_mode) == 0o600
    assert len(token) >= 48


def test_no_two_tokens_are_alike_and_each_is_revoked_alone(settings: Settings) -> None:
    made = {add_token(settings, name) for name in ("one", "two", "three")}
    assert len(made) == 3
    revoke_token(settings, "two")
    assert [token.name for token in named_tokens(settings)] == ["one", "three"]


def test_a_token_that_is_rotated_keeps_its_name_and_directories(
    settings: Settings, tmp_path: Path
) -> None:
    old = add_token(settings, "n8n", [tmp_path])
    new = rotate_token(settings, "n8n")
    (kept,) = named_tokens(settings)
    assert (kept.name, kept.sha256, kept.workspaces) == (
        "n8n",
        digest(new.encode()),
        (str(tmp_path),),
    )
    assert new != old


def test_the_default_token_is_rotated_in_its_file_and_never_revoked(settings: Settings) -> None:
    old = default_token(settings.token_file)
    new = rotate_token(settings)
    assert default_token(settings.token_file) == new != old
    assert stat.S_IMODE(settings.token_file.stat().st_mode) == 0o600
    with pytest.raises(BadRequestError, match="can't be revoked"):
        revoke_token(settings, "default")


@pytest.mark.parametrize("name", ["", "default", "N8N", "a b", "-x", "a" * 33, "a/b", "é", "a\n"])
def test_a_name_that_could_be_mistaken_is_refused(settings: Settings, name: str) -> None:
    with pytest.raises(BadRequestError, match="can't be the name"):
        add_token(settings, name)


def test_a_name_is_given_once_and_an_unknown_one_is_answered_with_the_known(
    settings: Settings,
) -> None:
    add_token(settings, "n8n")
    with pytest.raises(ConflictError, match="already"):
        add_token(settings, "n8n")
    with pytest.raises(NotFoundError) as caught:
        revoke_token(settings, "other")
    assert caught.value.next_step == "There are: default, n8n."


def test_a_directory_that_is_not_there_is_refused_and_nothing_is_kept(settings: Settings) -> None:
    with pytest.raises(BadRequestError, match="no directory"):
        add_token(settings, "n8n", [settings.home / "nowhere"])
    assert named_tokens(settings) == ()


def test_tokens_that_are_added_at_once_are_all_kept(settings: Settings) -> None:
    names = [f"client-{number}" for number in range(4)]
    environ = os.environ | {"ATOS_HOME": str(settings.home)}
    command = [sys.executable, "-m", "atos.cli.main", "token", "add"]
    processes = [
        subprocess.Popen([*command, name], env=environ, stdout=subprocess.DEVNULL) for name in names
    ]
    assert [process.wait() for process in processes] == [0] * 4
    assert sorted(token.name for token in named_tokens(settings)) == names


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "nonsense", '{"tokens": [{}]}', '{"tokens": 1}', "\ud800"]
)
def test_a_damaged_file_is_an_error_that_says_so(settings: Settings, text: str) -> None:
    add_token(settings, "n8n")
    settings.named_tokens_file.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(BadConfigError, match=r"damaged|no text"):
        named_tokens(settings)


def test_the_files_of_earlier_writes_are_gone(settings: Settings) -> None:
    add_token(settings, "n8n")
    rotate_token(settings)
    assert sorted(path.name for path in settings.home.iterdir()) == [
        "logs", "run", "state", "tokens.json",
    ]  # fmt: skip
    assert json.loads(settings.named_tokens_file.read_text()).keys() == {"tokens"}


def test_the_token_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "token"
    first = default_token(path)
    assert len(first) >= 32
    assert default_token(path) == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
def test_a_token_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "token"
    default_token(path)
    path.chmod(mode)
    with pytest.raises(BadConfigError, match="0600"):
        default_token(path)


def test_a_link_is_no_token(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    default_token(elsewhere)
    path = tmp_path / "token"
    path.symlink_to(elsewhere)
    with pytest.raises(BadConfigError, match="can't be used"):
        default_token(path)


def test_a_token_cut_short_by_a_crash_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "token"
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    with pytest.raises(BadConfigError, match="cut short"):
        default_token(path)
