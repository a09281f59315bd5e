"""Settings: one place, one precedence, one clear error."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from atos_protocol.daemons import Singleton, ensure
from atos_protocol.env_file import read_env_file
from atos_protocol.errors import BadConfigError, BusyError
from atos_protocol.settings import TUNABLE, Settings, load_settings

ROOT = Path(__file__).parent.parent.parent


def test_everything_lives_below_home_whatever_else_is_set(tmp_path: Path) -> None:
    bare = load_settings({"HOME": str(tmp_path)})
    rich = load_settings({"HOME": str(tmp_path), "XDG_RUNTIME_DIR": "/run/user/0", "TERM": "x"})
    assert bare == rich
    assert bare.scheduler_socket == tmp_path / ".atos" / "run" / "scheduler.sock"
    assert bare.workspaces == tmp_path / "atos"


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("# mine\nATOS_HTTP_PORT=9000\nATOS_BUDGET = 1.5GiB\n")
    environ = {"HOME": str(tmp_path), "ATOS_HOME": str(tmp_path), "ATOS_HTTP_PORT": "9001"}
    settings = load_settings(environ)
    assert (settings.http_port, settings.budget, settings.idle_seconds) == (9001, 3 << 29, 900.0)


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("ATOS_HTTP_PORT=many", "line 1, ATOS_HTTP_PORT: 'many'", "a port from 0 to 65535"),
        ("\n\nATOS_HTTP_PROT=1", "line 3: 'ATOS_HTTP_PROT' is not a setting", "ATOS_HTTP_PORT"),
        ("ATOS_BUDGET=6 elephants", "line 1, ATOS_BUDGET", "bytes, or a size"),
        ("ATOS_TRACE_TO=otlp:http://h:1  # x", "line 1, ATOS_TRACE_TO", "otlp:URL"),
        ("just words", "line 1: it is not a setting", "NAME=value"),
    ],
)
def test_a_corrupt_file_is_one_error_with_file_line_and_field(
    tmp_path: Path, text: str, where: str, what: str
) -> None:
    file = tmp_path / ".env"
    file.write_text(text)
    with pytest.raises(BadConfigError) as raised:
        load_settings({"HOME": str(tmp_path), "ATOS_HOME": str(tmp_path)})
    assert f"{file}, {where}" in raised.value.message
    assert what in raised.value.next_step


def test_a_user_without_home_and_passwd_entry_is_told_what_to_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unknown(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.setattr("pwd.getpwuid", unknown)
    with pytest.raises(BadConfigError, match="HOME is not set") as raised:
        load_settings({})
    assert raised.value.next_step == "Set HOME to a folder that is yours."


def test_a_home_too_deep_for_a_socket_is_refused_with_the_numbers(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    with pytest.raises(BadConfigError, match=r"is too deep: its socket path has \d+ bytes"):
        load_settings({"HOME": str(tmp_path), "ATOS_HOME": str(deep)}).prepare()


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777])
def test_a_home_that_others_may_write_in_is_refused_with_what_mends_it(
    tmp_path: Path, mode: int
) -> None:
    settings = load_settings({"ATOS_HOME": str(tmp_path / "h")})
    settings.prepare()
    settings.home.chmod(mode)
    with pytest.raises(BadConfigError, match="others may write") as caught:
        settings.prepare()
    assert caught.value.next_step.endswith(f"chmod go-w {settings.home}")
    settings.home.chmod(mode & ~0o022)
    settings.prepare()


def test_what_others_could_read_of_a_home_is_closed(tmp_path: Path) -> None:
    settings = load_settings({"ATOS_HOME": str(tmp_path / "h")})
    settings.prepare()
    folders = (settings.home, settings.run, settings.state, settings.logs)
    for folder in folders:
        folder.chmod(0o755)
    settings.prepare()
    assert [folder.stat().st_mode & 0o777 for folder in folders] == [0o700] * 4


def take_worker_lock(settings: Settings) -> None:
    Singleton("worker", settings)


def start_servers(settings: Settings) -> None:
    ensure("servers", settings)


@pytest.mark.parametrize(
    ("name", "take"), [("worker.lock", take_worker_lock), ("servers.start", start_servers)]
)
def test_a_lock_that_is_a_link_is_not_followed(
    tmp_path: Path, name: str, take: Callable[[Settings], object]
) -> None:
    settings = load_settings({"ATOS_HOME": str(tmp_path / "h")})
    settings.prepare()
    (settings.run / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        take(settings)
    assert not (tmp_path / "elsewhere").exists()


def test_the_home_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_settings({"ATOS_HOME": str(tmp_path / "h")})
    settings.prepare()
    mine = os.geteuid()
    monkeypatch.setattr("os.geteuid", lambda: mine + 1)
    with pytest.raises(BadConfigError, match=f"belongs to user {mine}, not to you"):
        settings.prepare()


def test_an_unwritable_home_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BadConfigError, match="can't be made"):
        load_settings({"HOME": str(tmp_path), "ATOS_HOME": str(tmp_path / "file")}).prepare()


def test_the_example_file_names_every_setting_and_can_be_used(tmp_path: Path) -> None:
    text = (ROOT / ".env.example").read_text()
    assert [name for name in TUNABLE if name not in text] == []
    uncommented = "\n".join(line.removeprefix("# ") for line in text.splitlines() if "=" in line)
    (tmp_path / ".env").write_text(uncommented)
    load_settings({"HOME": str(tmp_path), "ATOS_HOME": str(tmp_path)})


def test_a_file_that_no_descriptor_is_left_for_is_the_machines_trouble_and_no_mistake_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def starving(*_: object, **__: object) -> str:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(Path, "read_text", starving)
    with pytest.raises(BusyError):
        read_env_file(tmp_path / ".env", ())
