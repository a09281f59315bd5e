"""What a goal delivered is read from its commit, and the same files make the same zip."""

import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atos_orchestrator.workspace import publish
from atos_orchestrator.workspace.delivered_files import (
    Delivered,
    DeliveredFile,
    read_delivered,
    zipped,
)
from atos_protocol.errors import NotFoundError
from doubles.goal_repository import git, integrated, opened, work

NAMES = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/x".join)


def contents(delivered: Delivered) -> dict[str, bytes]:
    return {file.path: file.data for file in delivered.files}


async def test_the_files_are_those_of_the_commit_and_not_what_lies_in_the_folder(
    tmp_path: Path,
) -> None:
    repository = await opened(tmp_path)
    await work(repository, "T1", {"add.py": "def add(a, b):\n    return a + b\n"})
    await integrated(repository, "T1")
    await publish(repository)
    (repository.path / "add.py").write_text("nonsense")
    (repository.path / "link").symlink_to("/etc/passwd")
    git(repository.path, "add", "link")
    git(repository.path, "commit", "-qm", "a link", "link")

    delivered = await read_delivered(repository, "g1")

    assert delivered.commit == git(repository.path, "rev-parse", "HEAD")
    assert contents(delivered)["add.py"] == b"def add(a, b):\n    return a + b\n"
    assert "link" not in contents(delivered)


async def test_a_folder_that_was_deleted_leaves_the_copy_that_atos_keeps(tmp_path: Path) -> None:
    repository = await opened(tmp_path)
    await work(repository, "T1", {"add.py": "x = 1\n"})
    await integrated(repository, "T1")
    repository.path.rename(tmp_path / "elsewhere")
    delivered = await read_delivered(repository, "g1")
    assert contents(delivered)["add.py"] == b"x = 1\n"


async def test_a_goal_without_a_repository_says_so() -> None:
    with pytest.raises(NotFoundError, match="no files yet"):
        await read_delivered(None, "g9")


@given(files=st.dictionaries(NAMES, st.binary(max_size=200), max_size=5))
def test_a_zip_holds_every_file_and_is_the_same_each_time(files: dict[str, bytes]) -> None:
    given_ = [DeliveredFile(path, data) for path, data in files.items()]
    archive = zipped(given_)
    read = zipfile.ZipFile(io.BytesIO(archive))
    assert {name: read.read(name) for name in read.namelist()} == files
    assert archive == zipped(given_)
