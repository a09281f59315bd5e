"""The file of a serving process: its lock tells whether it lives, and asking disturbs nobody."""

import fcntl
import os
import threading
import time
from pathlib import Path

import pytest

from atos_protocol.errors import BadConfigError, ConflictError
from atos_servers.local_web.server_file import is_served, locked


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "x.server.json"
    made.write_text("{}")
    return made


def test_a_file_is_served_while_its_lock_is_held(file: Path) -> None:
    assert not is_served(file)
    with locked(file):
        assert is_served(file)
        with pytest.raises(ConflictError, match="is served already"), locked(file, seconds=0):
            pass
    assert not is_served(file)
    assert not is_served(file.with_name("none"))
    with pytest.raises(BadConfigError), locked(file.with_name("none")):
        pass


def test_who_asks_at_the_same_time_is_not_taken_for_the_process(file: Path) -> None:
    asking = os.open(file, os.O_RDONLY)
    fcntl.flock(asking, fcntl.LOCK_SH)
    assert not is_served(file)
    os.close(asking)


def test_a_process_that_begins_waits_for_who_is_asking(file: Path) -> None:
    asking = os.open(file, os.O_RDONLY)
    fcntl.flock(asking, fcntl.LOCK_SH)

    def ask() -> None:
        time.sleep(0.2)
        os.close(asking)

    asker = threading.Thread(target=ask)
    asker.start()
    with locked(file, seconds=30):
        assert is_served(file)
    asker.join()
