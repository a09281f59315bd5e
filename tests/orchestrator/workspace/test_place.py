"""The place of a repository: looked at when a goal is accepted, and again before anything is made."""

from pathlib import Path

import pytest

from atos_orchestrator.workspace import open_repository
from atos_protocol.errors import WorkspaceError


async def opened(tmp_path: Path, into: Path | None = None) -> Path:
    home, workspaces = tmp_path / "h", tmp_path / "w"
    repository = await open_repository(
        into, "add", goal="g1", text="Add", home=home, workspaces=workspaces, started_at=1.7e9
    )
    return repository.path


async def test_a_link_that_came_after_the_goal_was_accepted_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "allowed").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(WorkspaceError, match="a link on the way"):
        await opened(tmp_path, tmp_path / "allowed" / "new")
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == []


async def test_the_workspaces_folder_may_be_a_link_that_the_user_has_set(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "w").symlink_to(tmp_path / "disk")
    assert await opened(tmp_path) == tmp_path / "w" / "add"
