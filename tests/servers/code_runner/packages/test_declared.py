"""What a project declares becomes its environment: files read without following links, plain requirements only."""

from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot
from packaging.requirements import Requirement

from atos_protocol.errors import BadRequestError, WorkspaceError
from atos_protocol.settings import load_settings
from atos_servers.code_runner.packages.declared import PROJECT, REQUIREMENTS, declared
from atos_servers.code_runner.packages.declared_files import declared_in
from atos_servers.code_runner.server import build
from atos_servers.host.connection import Connection, connected
from atos_servers.host.services import Services
from doubles.package_index import PackageIndex, Wheel

LISTED = """\
# what it needs
flask >= 3, < 4   # the framework
httpx[http2]==0.28.1 ; python_version >= "3.9"
tomli ; python_version < "3"
"""
TOML = '[project]\nname = "x"\ndependencies = ["flask>=3,<4", "tomli; python_version < \'3\'"]\n'


def test_requirements_that_apply_are_read_without_comments_and_conditions() -> None:
    assert declared(REQUIREMENTS, LISTED) == snapshot(("flask<4,>=3", "httpx[http2]==0.28.1"))
    assert declared(PROJECT, TOML) == snapshot(("flask<4,>=3",))
    assert declared(PROJECT, "[tool.x]\n") == declared(REQUIREMENTS, "\n# none\n") == ()


@pytest.mark.parametrize("line", ["-r other.txt", "--index-url http://x", "./local", "-e ."])
def test_options_and_files_are_refused_with_the_line(line: str) -> None:
    with pytest.raises(BadRequestError, match="no plain requirement"):
        declared(REQUIREMENTS, f"flask\n{line}\n")


def test_a_project_file_that_is_no_toml_says_so() -> None:
    with pytest.raises(BadRequestError, match="is not TOML"):
        declared(PROJECT, "[project\n")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (REQUIREMENTS, 'flask; sys_platform ~= "linux"'),
        (REQUIREMENTS, 'flask; platform_release >= "1"'),
        (REQUIREMENTS, "flask; " + "(" * 5_000),
        (PROJECT, "[project]\ndependencies = " + "[" * 5_000),
    ],
)
def test_what_can_not_be_compared_or_nests_too_deeply_is_a_refusal_at_worst(
    name: str, text: str
) -> None:
    found: tuple[str, ...] = ()
    with suppress(BadRequestError):
        found = declared(name, text)
    assert set(found) <= {"flask"}


@given(st.sampled_from([REQUIREMENTS, PROJECT]), st.text(max_size=200))
def test_any_text_is_requirements_or_a_refusal(name: str, text: str) -> None:
    try:
        found = declared(name, text)
    except BadRequestError:
        return
    assert [str(Requirement(each)) for each in found] == list(found)


def test_the_file_is_found_and_never_through_a_link(workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "outside.txt").write_text("secret-package\n")
    assert declared_in(workspace, [workspace]) == ("", ())
    (workspace / PROJECT).write_text(TOML)
    (workspace / REQUIREMENTS).symlink_to(tmp_path / "outside.txt")
    assert declared_in(workspace, [workspace]) == (PROJECT, ("flask<4,>=3",))
    with pytest.raises(WorkspaceError):
        declared_in(tmp_path, [workspace])


@pytest.fixture
async def client(workspace: Path, atos_home: Path) -> AsyncIterator[Client[Any]]:
    del atos_home

    async def tell_nobody(message: dict[str, Any]) -> None:
        raise AssertionError(message)

    with connected(Connection(roots=(workspace,))):
        async with Client(build(Services(load_settings(), tell_nobody))) as opened:
            yield opened


@pytest.mark.timeout(120)
async def test_what_is_declared_is_installed_and_can_be_imported(
    index: PackageIndex, workspace: Path, client: Client[Any]
) -> None:
    index.add(Wheel("inner", {"inner.py": "VALUE = 7\n"}))
    (workspace / REQUIREMENTS).write_text("Inner  # ours\n")
    told: dict[str, Any] = {"state": "preparing"}
    while told["state"] == "preparing":  # a busy machine takes several calls
        made = await client.call_tool("environment", {"path": str(workspace)})
        told = made.structured_content or {}
    assert len(told["packages"][0].pop("sha256")) == 64
    assert told == snapshot(
        {
            "state": "ready",
            "source": "requirements.txt",
            "requirements": ["inner"],
            "packages": [{"name": "inner", "version": "1.0", "requested": True}],
            "modules": ["inner"],
            "next": "Give `requirements` as `packages` to run_pytest, run_python or evaluate.",
        }
    )
    run = {"path": str(workspace), "code": "import inner; print(inner.VALUE)"}
    ran = await client.call_tool("run_python", run | {"packages": told["requirements"]})
    assert (ran.structured_content or {})["stdout"] == "7\n"


async def test_a_folder_that_declares_nothing_needs_nothing(
    client: Client[Any], workspace: Path
) -> None:
    told = (await client.call_tool("environment", {"path": str(workspace)})).structured_content
    assert told == snapshot(
        {
            "state": "ready",
            "source": "",
            "requirements": [],
            "packages": [],
            "modules": [],
            "next": "Nothing is declared in requirements.txt or pyproject.toml; code runs without packages.",
        }
    )
