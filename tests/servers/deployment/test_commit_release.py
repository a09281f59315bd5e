"""A history that would go out: what is too large is refused before it is in this process's memory."""

import subprocess
from pathlib import Path

import pytest

from atos_protocol.errors import WorkspaceError
from atos_servers.deployment import commit_release
from atos_servers.deployment.commit_release import pack_commit
from atos_servers.deployment.release_files import git_at_most


def repository(folder: Path, data: bytes) -> Path:
    folder.mkdir()
    who = ["-c", "user.name=me", "-c", "user.email=me@localhost"]
    (folder / "data").write_bytes(data)
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "all"]):
        subprocess.run(["git", *who, *arguments], cwd=folder, check=True)
    return folder


def staging(tmp_path: Path) -> Path:
    made = tmp_path / "staging"
    made.mkdir()
    return made


def test_a_history_that_unpacks_to_more_than_it_may_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit_release, "MOST_UNPACKED", 4 << 20)
    source = repository(tmp_path / "zeros", bytes(5 << 20))
    with pytest.raises(WorkspaceError, match="the history has 5 MiB unpacked, more than 4"):
        pack_commit(source, staging(tmp_path))


def test_of_a_history_that_is_too_large_no_more_is_read_than_may_go_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit_release, "MOST_BYTES", 100)
    source = repository(tmp_path / "large", bytes(range(256)) * 10)
    with pytest.raises(WorkspaceError, match="has more than"):
        pack_commit(source, staging(tmp_path))
    asked = ("pack-objects", "--revs", "--stdout", "-q")
    assert len(git_at_most(source, 100, *asked, given=b"HEAD\n")) == 101
    with pytest.raises(WorkspaceError, match="has no commit that can be read"):
        git_at_most(source, 100, *asked, given=b"nothing\n")
