"""`kill -9` in the middle of a download, three times: it goes on where it was, and the hash is right.

The server stops at a byte and keeps the connection open, so a kill comes when exactly so much has
arrived, however fast the machine is.
"""

import random
import signal
from pathlib import Path

import pytest

from doubles.eventually import eventually
from doubles.file_server import FileServer, wheels_of
from doubles.model_home import FILE, NAME, WHEELS, ModelHome

pytestmark = pytest.mark.timeout(90)
MB = 1 << 20
HUB_PIECE = 10 * MB
"""What the package of Hugging Face writes at once."""


@pytest.fixture
def home(tmp_path: Path) -> ModelHome:
    made = ModelHome(tmp_path, random.Random(7).randbytes(44 * MB))
    made.write_catalogue()
    return made


async def kill_at(home: ModelHome, server: FileServer, on_disk: int, **environment: str) -> None:
    """Start a pull and kill it when the server holds and so many bytes are on the disk."""
    process = home.start("pull", NAME, "--json", **environment)
    try:
        await eventually(lambda: server.held.is_set() and home.partial_bytes() >= on_disk, 30)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=10)
    assert home.store.models() == {}
    assert not home.store.file(NAME).exists()


def assert_done(home: ModelHome, source: str, **environment: str) -> None:
    code, result, _ = home.run("pull", NAME, **environment)
    assert (code, result["source"], result["sha256"]) == (0, source, home.download.sha256)
    assert home.store.file(NAME).read_bytes() == home.data
    assert home.partial_bytes() == 0


async def test_a_mirror_download_goes_on_after_three_kills(home: ModelHome) -> None:
    with FileServer({FILE: home.data}, hold_at=11 * MB) as server:
        sources = {"ATOS_MODEL_SOURCES": "mirror", "ATOS_MODEL_MIRROR": server.url}
        for stop in (11, 23, 37):
            server.release(stop * MB)
            await kill_at(home, server, (stop - 1) * MB, **sources)
        server.release()
        assert_done(home, "mirror", **sources)
    firsts = [first for _, _, first in server.asked]
    assert firsts[0] == 0
    assert [f >= least for f, least in zip(firsts[1:], (10 * MB, 22 * MB, 36 * MB), strict=True)]
    assert all(f > b for f, b in zip(firsts[1:], firsts, strict=False))


async def test_a_hugging_face_download_goes_on_after_three_kills(home: ModelHome) -> None:
    with FileServer({FILE: home.data}) as server:
        sources = {"ATOS_MODEL_SOURCES": "huggingface", "HF_ENDPOINT": server.url}
        for stop, pieces in ((11, 1), (21, 2), (31, 3)):
            server.release(stop * MB)
            await kill_at(home, server, pieces * HUB_PIECE, **sources)
        server.release()
        assert_done(home, "huggingface", **sources)
    firsts = [first for method, _, first in server.asked if method == "GET"]
    assert firsts == [0, HUB_PIECE, 2 * HUB_PIECE, 3 * HUB_PIECE]


async def test_wheels_go_on_after_the_last_part_that_was_complete(home: ModelHome) -> None:
    cut = len(home.data) // 3
    parts = [home.data[:cut], home.data[cut : 2 * cut], home.data[2 * cut :]]
    wheels = wheels_of(WHEELS.package, WHEELS.version, parts)
    second = next(name for name in wheels if "part2" in name)
    with FileServer(wheels) as server:
        sources = {
            "ATOS_MODEL_SOURCES": "wheels",
            "PIP_INDEX_URL": f"{server.url}/simple",
            "PIP_CONFIG_FILE": "/dev/null",
        }
        whole = wheels[second]
        server.hold_only = second
        server.release(len(whole) // 2)
        await kill_at(home, server, cut + MB, **sources)
        server.release()
        assert_done(home, "wheels", **sources)
    asked = [name for _, name, _ in server.asked if name.endswith(".whl")]
    assert [sum(f"part{n}" in name for name in asked) for n in (1, 2, 3)] == [1, 2, 1]


async def test_two_processes_at_once_fetch_once_and_both_succeed(home: ModelHome) -> None:
    with FileServer({FILE: home.data}, hold_at=5 * MB) as server:
        sources = {"ATOS_MODEL_SOURCES": "mirror", "ATOS_MODEL_MIRROR": server.url}
        first = home.start("pull", NAME, **sources)
        await eventually(server.held.is_set, 30)
        second = home.start("pull", NAME, **sources)
        assert second.stderr is not None
        lines = [second.stderr.readline(), second.stderr.readline()]
        server.release()
        for process in (first, second):
            out, err = process.communicate(timeout=60)
            assert process.returncode == 0, out + err
    assert "another process fetches it already" in lines[1]
    assert server.asked == [("GET", FILE, 0)]


async def test_when_the_process_that_fetches_is_killed_the_one_that_waits_goes_on(
    home: ModelHome,
) -> None:
    with FileServer({FILE: home.data}, hold_at=20 * MB) as server:
        sources = {"ATOS_MODEL_SOURCES": "mirror", "ATOS_MODEL_MIRROR": server.url}
        first = home.start("pull", NAME, **sources)
        await eventually(lambda: server.held.is_set() and home.partial_bytes() > 18 * MB, 30)
        second = home.start("pull", NAME, **sources)
        assert second.stderr is not None
        second.stderr.readline()
        assert "another process" in second.stderr.readline()
        server.hold_at = None
        first.send_signal(signal.SIGKILL)
        first.communicate(timeout=10)
        out, err = second.communicate(timeout=60)
    assert second.returncode == 0, out + err
    assert [first > 18 * MB for _, _, first in server.asked] == [False, True]
    assert home.store.file(NAME).read_bytes() == home.data
