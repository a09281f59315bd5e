"""What is served ends with the file that describes it: nobody could stop it any more."""

import shutil
from contextlib import suppress
from pathlib import Path

import anyio
import pytest

from atos_protocol.errors import BadConfigError
from atos_servers.local_web import __main__ as local_web
from atos_servers.local_web.entry import Entry
from atos_servers.local_web.server_file import ServerFile, read, write
from doubles.eventually import eventually


def is_serving(file: Path) -> bool:
    with suppress(BadConfigError):  # it is written in place
        return read(file).port > 0
    return False


async def test_a_release_whose_home_is_removed_is_served_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_web, "LOOK_SECONDS", 0.02)
    home, file = tmp_path / "home", tmp_path / "home" / "x.server.json"
    release = home / "release"
    release.mkdir(parents=True)
    (release / "index.html").write_text("<h1>one</h1>")
    write(file, ServerFile(str(release), Entry("static", "a site"), "digest", "A site"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(local_web.serve, file, read(file))
        await eventually(lambda: is_serving(file))
        with anyio.fail_after(20):
            reply = await anyio.connect_tcp("127.0.0.1", read(file).port)
            await reply.aclose()
        shutil.rmtree(home)
    assert not file.exists()
