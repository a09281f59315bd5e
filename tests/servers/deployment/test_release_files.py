"""What is copied for a deployment: plain files of a commit or a folder, and nothing of what they lead to."""

import os
import subprocess
from pathlib import Path

import pytest

from atos_protocol.errors import WorkspaceError
from atos_servers.code_runner.sandbox.removal import remove_folder
from atos_servers.deployment import release_files
from atos_servers.deployment.release_files import copy_release
from atos_servers.local_web.release import digest_of, files_of
from doubles.deep_folders import nest


def _git(folder: Path, *arguments: str) -> str:
    settings = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"]
    ran = subprocess.run(
        ["git", *settings, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return ran.stdout.strip()


def _repository(folder: Path, **files: bytes) -> Path:
    folder.mkdir()
    _git(folder, "init")
    for name, data in files.items():
        (folder / name.replace("__", ".")).write_bytes(data)
    _git(folder, "add", "-A")
    _git(folder, "commit", "-m", "all")
    return folder


def _copied(source: Path, tmp_path: Path) -> tuple[dict[str, bytes], str]:
    target = tmp_path / "release"
    target.mkdir()
    copied = copy_release(source, target)
    found = {name: (target / name).read_bytes() for name in files_of(target)}
    assert copied.files == len(found)
    assert copied.bytes == sum(map(len, found.values()))
    return found, copied.commit


def test_of_a_repository_the_last_commit_counts(tmp_path: Path) -> None:
    data = bytes(range(256)) * 300
    repository = _repository(tmp_path / "r", index__html=b"one", picture__bin=data, empty=b"")
    (repository / "index.html").write_text("not committed")
    (repository / "link").symlink_to("/etc/passwd")
    (repository / ".env").write_text("SECRET=1")
    _git(repository, "add", "-f", "link", ".env")
    _git(repository, "commit", "-m", "more")
    found, commit = _copied(repository, tmp_path)
    assert found == {"index.html": b"one", "picture.bin": data, "empty": b""}
    assert commit == _git(repository, "rev-parse", "HEAD")


def test_a_hostile_repository_runs_nothing(tmp_path: Path) -> None:
    repository = _repository(tmp_path / "r", index__html=b"one", __gitattributes=b"* filter=evil\n")
    mark = tmp_path / "ran"
    for setting in (
        "filter.evil.smudge", "filter.evil.clean", "filter.evil.process", "core.fsmonitor",
        "core.sshCommand", "diff.external", "core.pager",
    ):  # fmt: skip
        _git(repository, "config", setting, f"touch {mark}")
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for hook in ("post-checkout", "pre-commit", "post-index-change"):
        (hooks / hook).write_text(f"#!/bin/sh\ntouch {mark}\n")
        (hooks / hook).chmod(0o755)
    _git(repository, "config", "core.hooksPath", str(hooks))
    found, _ = _copied(repository, tmp_path)
    assert found == {"index.html": b"one"}
    assert not mark.exists()


def test_of_a_folder_links_hidden_files_and_what_is_installed_stay_behind(tmp_path: Path) -> None:
    source = tmp_path / "s"
    for name in (
        "a/b/page.html",
        "index.html",
        ".env",
        ".git-old/x",
        "node_modules/x/y.js",
        "a/.secret",
    ):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)
    (source / "link").symlink_to("/etc/passwd")
    (source / "folder").symlink_to("/etc")
    os.mkfifo(source / "pipe")
    found, commit = _copied(source, tmp_path)
    assert set(found) == {"a/b/page.html", "index.html"}
    assert commit == ""


def test_too_much_nothing_and_no_commit_are_refused_with_the_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(WorkspaceError, match="holds no file"):
        copy_release(empty, tmp_path)
    _git(empty, "init")
    with pytest.raises(WorkspaceError, match="has no commit"):
        copy_release(empty, tmp_path)
    with pytest.raises(WorkspaceError, match="can't be read"):
        copy_release(tmp_path / "missing", tmp_path / "empty")
    monkeypatch.setattr(release_files, "MOST_FILES", 2)
    repository = _repository(tmp_path / "r", a=b"", b=b"", c=b"")
    with pytest.raises(WorkspaceError, match="more than 2 files or 64 MiB"):
        copy_release(repository, empty)


def test_a_digest_tells_names_and_contents_apart(tmp_path: Path) -> None:
    digests = set[str]()
    for number, files in enumerate(
        [{"a": "bc"}, {"ab": "c"}, {"a": "b", "c": ""}, {"a": "bc", "d": ""}]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        for name, text in files.items():
            (folder / name).write_text(text)
        digests.add(digest_of(folder))
    assert len(digests) == 4


def test_a_folder_that_is_nested_too_deeply_is_refused(tmp_path: Path) -> None:
    nest(tmp_path / "deep", 1_200)
    (tmp_path / "release").mkdir()
    try:
        with pytest.raises(WorkspaceError):
            copy_release(tmp_path / "deep", tmp_path / "release")
    finally:
        remove_folder(tmp_path / "deep")
