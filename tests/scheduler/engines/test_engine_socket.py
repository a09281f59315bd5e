"""Where the sockets of engine workers lie, and what is left of them."""

import os
import socket
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atos_protocol.errors import LoadFailedError
from atos_protocol.home_folders import SOCKET_PATH_LIMIT
from atos_protocol.settings import Settings
from atos_scheduler.engines.engine_socket import new_socket, remove, sweep


def test_each_socket_has_a_private_folder_that_is_removed_with_it(tmp_path: Path) -> None:
    one, two = new_socket(tmp_path / "run" / "e"), new_socket(tmp_path / "run" / "e")
    assert one.parent != two.parent
    assert stat.filemode(one.parent.stat().st_mode) == "drwx------"
    remove(one)
    assert list((tmp_path / "run" / "e").iterdir()) == [two.parent]


@given(st.integers(min_value=1, max_value=120))
def test_a_home_that_has_room_for_the_schedulers_socket_has_room_for_its_engines(
    length: int,
) -> None:
    settings = Settings(home=Path("/" + "h" * length), workspaces=Path("/w"))
    fits = len(os.fsencode(settings.scheduler_socket)) <= SOCKET_PATH_LIMIT
    engine = settings.engine_sockets / "abcdef" / ".sock"
    assert (len(os.fsencode(engine)) <= SOCKET_PATH_LIMIT) == fits


def test_a_folder_that_is_too_deep_is_refused_with_the_numbers(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    with pytest.raises(LoadFailedError, match=r"has \d{3} bytes, and 107 fit"):
        new_socket(deep)
    assert not deep.exists()


def test_what_a_killed_scheduler_left_is_swept_and_nothing_outside(tmp_path: Path) -> None:
    left, outside = new_socket(tmp_path / "e"), tmp_path / "outside"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(left))
    outside.mkdir()
    (outside / "file").write_text("mine")
    (tmp_path / "e" / "link").symlink_to(outside)
    (left.parent / "link").symlink_to(outside)
    sweep(tmp_path / "e")
    assert list((tmp_path / "e").iterdir()) == []
    assert (outside / "file").read_text() == "mine"
    sweep(tmp_path / "missing")
