"""Keys: read from a file that is the person's alone or from the keyring, and never quoted."""

import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

from atos_daemon.key_source import KeySource
from atos_protocol.errors import BadConfigError
from atos_protocol.redaction import redacted

SETTING = "ATOS_OPENAI_KEY_FILE"


def key_file(folder: Path, text: bytes = b"s3cr3t-key-of-mine\n", mode: int = 0o600) -> Path:
    path = folder / "key"
    path.write_bytes(text)
    path.chmod(mode)
    return path


def test_a_key_is_read_anew_and_never_said(tmp_path: Path) -> None:
    source = KeySource(str(key_file(tmp_path)), SETTING)
    assert source.read() == "s3cr3t-key-of-mine"
    key_file(tmp_path, b"an0ther-key\n")
    assert source.read() == "an0ther-key"
    assert redacted("s3cr3t-key-of-mine, an0ther-key") == "***, ***"
    assert "key-of" not in repr(source)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o644])
def test_a_file_that_others_may_use_is_refused_with_what_mends_it(
    tmp_path: Path, mode: int
) -> None:
    path = key_file(tmp_path, mode=mode)
    with pytest.raises(BadConfigError) as raised:
        KeySource(str(path), SETTING).read()
    assert raised.value.message == f"{SETTING}: others may read {path}: its mode is {mode:04o}"
    assert f"chmod 600 {path}" in raised.value.next_step


@pytest.mark.parametrize(
    "text", [b"", b" \n", b"two\nlines", "naïve".encode(), b"\xff\xfe", b"a\0b"]
)
def test_what_no_header_can_carry_is_refused_without_being_quoted(
    tmp_path: Path, text: bytes
) -> None:
    with pytest.raises(BadConfigError) as raised:
        KeySource(str(key_file(tmp_path, text)), SETTING).read()
    assert raised.value.message.startswith(f"{SETTING}: ")
    assert "lines" not in str(raised.value)


def test_a_folder_a_pipe_and_nothing_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "folder").mkdir(0o700)
    for name in ("pipe", "folder", "gone"):
        with pytest.raises(BadConfigError, match=SETTING):
            KeySource(str(tmp_path / name), SETTING).read()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    path = key_file(tmp_path)
    os.chown(path, 65534, 65534)
    with pytest.raises(BadConfigError, match="belongs to user 65534"):
        KeySource(str(path), SETTING).read()


def test_a_key_is_read_from_the_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    ring = ModuleType("keyring")
    held = {("openai", "me"): "k3y-in-the-ring"}

    def get_password(service: str, name: str) -> str | None:
        return held.get((service, name))

    monkeypatch.setattr(ring, "get_password", get_password, raising=False)
    monkeypatch.setitem(sys.modules, "keyring", ring)
    assert KeySource("keyring:openai/me", SETTING).read() == "k3y-in-the-ring"
    with pytest.raises(BadConfigError, match="the keyring has no 'openai', 'you'"):
        KeySource("keyring:openai/you", SETTING).read()


def test_without_the_keyrings_package_it_is_said_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(BadConfigError) as raised:
        KeySource("keyring:openai/me", SETTING).read()
    assert raised.value.next_step == "pip install 'atos[keyring]'"
