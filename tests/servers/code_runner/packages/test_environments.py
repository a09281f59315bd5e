"""Installing: wheels only, complete or invisible, once, and going on after the call that asked."""

import os
import signal
import subprocess
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from atos_protocol.errors import BusyError, ConflictError, PackagesError
from atos_servers.code_runner.packages.environments import AT_ONCE, Environment, Environments
from atos_servers.code_runner.packages.requirements import checked_packages, environment_key
from doubles.package_index import PackageIndex, Wheel, sdist

pytestmark = pytest.mark.timeout(120)

OUTER = Wheel("outer", {"outer.py": "import inner\nVALUE = inner.VALUE\n"}, needs=["inner>=1"])
INNER = Wheel("inner", {"inner.py": "VALUE = 7\n"}, version="1.5")
TELLTALE = "import pathlib; pathlib.Path({!r}).touch()\n"


def asleep() -> subprocess.Popen[bytes]:
    """Start a process that goes on until it is ended."""
    return subprocess.Popen(["sleep", "60"])


def visible(root: Path) -> list[str]:
    return sorted(p.name for p in root.iterdir() if p.suffix != ".lock")


def versions(found: Environment | None) -> list[tuple[str, str, bool, bool]]:
    assert found is not None
    return [(p.name, p.version, len(p.sha256) == 64, p.requested) for p in found.packages]


async def test_a_package_is_installed_with_what_it_needs(index: PackageIndex, root: Path) -> None:
    index.add(OUTER, INNER)
    broken = environment_key(checked_packages(["outer"]))
    for left in (".building-deadbeef-x", broken):
        os.makedirs(root / left / "site" / "rest")  # noqa: PTH103 - in an async function
    environments = Environments(root)
    with pytest.raises(ConflictError, match="outer: not installed for the sandbox yet"):
        environments.folders(["outer"])
    found = await environments.prepare(["Outer"])
    assert versions(found) == [("inner", "1.5", True, False), ("outer", "1.0", True, True)]
    assert found is not None
    assert environments.folders(["outer"]) == (str(found.site),)
    assert found.modules == ("inner", "outer")
    assert visible(root) == [found.site.parent.name]
    names = {path.name for path in found.site.iterdir()} - {"__pycache__"}
    assert names == {"inner-1.5.dist-info", "inner.py", "outer-1.0.dist-info", "outer.py"}


async def test_so_many_installations_at_once_are_enough(index: PackageIndex, root: Path) -> None:
    index.add(INNER)
    environments = Environments(root)
    others = {str(n): asleep() for n in range(AT_ONCE)}
    environments.running |= others
    try:
        with pytest.raises(BusyError, match="4 installations of packages are going on"):
            await environments.prepare(["inner"])
    finally:
        for other in others.values():
            other.kill()
            other.wait()
    assert versions(await environments.prepare(["inner"])) == [("inner", "1.5", True, True)]


async def test_it_is_installed_once_however_often_it_is_asked_for(
    index: PackageIndex, root: Path
) -> None:
    index.add(OUTER, INNER)
    first, second = Environments(root), Environments(root)  # as two hosts of one home
    async with anyio.create_task_group() as group:
        for each in (first, first, second):
            group.start_soon(each.prepare, ["outer"])
    assert await second.prepare(["outer"]) == await first.prepare(["outer"])
    assert index.downloads == ["outer-1.0-py3-none-any.whl", "inner-1.5-py3-none-any.whl"]
    assert len(visible(root)) == 1


async def test_nothing_asked_for_is_nothing_installed(root: Path) -> None:
    found = await Environments(root).prepare([])
    assert found is not None
    assert found.packages == ()
    assert list(root.parent.iterdir()) == []


async def test_a_call_may_end_while_the_installation_goes_on(
    index: PackageIndex, root: Path
) -> None:
    index.add(INNER)
    index.held.clear()
    environments = Environments(root, wait_seconds=0.0)
    assert await environments.prepare(["inner"]) is None
    assert await environments.is_busy()
    index.held.set()
    patient = Environments(root)  # waits for the lock of the first
    assert versions(await patient.prepare(["inner"])) == [("inner", "1.5", True, True)]
    await anyio.to_thread.run_sync(next(iter(environments.running.values())).wait)
    assert not await environments.is_busy()
    assert index.downloads == ["inner-1.5-py3-none-any.whl"]


async def test_a_killed_installation_leaves_nothing_that_looks_complete(
    index: PackageIndex, root: Path
) -> None:
    index.add(INNER)
    index.held.clear()
    environments = Environments(root, wait_seconds=0.0)
    await environments.prepare(["inner"])
    assert await anyio.to_thread.run_sync(index.reached.wait, 60.0)
    process = next(iter(environments.running.values()))
    os.kill(process.pid, signal.SIGKILL)
    await anyio.to_thread.run_sync(process.wait)
    assert [name.startswith(".building-") for name in visible(root)] == [True]
    with pytest.raises(ConflictError):
        environments.folders(["inner"])
    with pytest.raises(PackagesError, match=r"ended from outside \(exit code -9\)") as killed:
        await environments.prepare(["inner"])
    assert killed.value.retry

    index.held.set()
    again = await Environments(root).prepare(["inner"])
    assert versions(again) == [("inner", "1.5", True, True)]
    assert [name.startswith(".building-") for name in visible(root)] == [False]


async def test_a_source_archive_is_never_built(
    index: PackageIndex, root: Path, tmp_path: Path
) -> None:
    touched = tmp_path / "touched"
    index.files |= dict([sdist("source", TELLTALE.format(str(touched)))])
    with pytest.raises(PackagesError, match="there is no wheel of source"):
        await Environments(root).prepare(["source"])
    assert not touched.exists()
    assert index.downloads == []


async def test_a_dependency_by_url_can_not_run_its_build(
    index: PackageIndex, root: Path, tmp_path: Path
) -> None:
    touched = tmp_path / "touched"
    name, data = sdist("source", TELLTALE.format(str(touched)))
    index.files[name] = data
    index.add(Wheel("sly", {"sly.py": ""}, needs=[f"source @ {index.address}/files/{name}"]))
    with pytest.raises(PackagesError, match="must be built from source"):
        await Environments(root).prepare(["sly"])
    assert not touched.exists()
    assert [entry for entry in visible(root) if not entry.endswith(".failed.json")] == []


async def test_a_wheel_from_a_url_that_a_package_names_is_refused(
    index: PackageIndex, root: Path
) -> None:
    index.add(INNER)
    index.add(Wheel("sly", {"sly.py": ""}, needs=[f"inner @ {index.address}/files/{INNER.file}"]))
    with pytest.raises(PackagesError, match="inner is required by a URL"):
        await Environments(root).prepare(["sly"])


async def test_without_an_index_it_says_so_and_can_be_tried_again(
    index: PackageIndex, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.add(INNER)
    environments = Environments(root)
    with monkeypatch.context() as offline:
        offline.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
        with pytest.raises(PackagesError, match="no package index can be reached for inner"):
            await environments.prepare(["inner"])
    assert versions(await environments.prepare(["inner"])) == [("inner", "1.5", True, True)]
    assert len(visible(root)) == 1


async def test_an_installation_has_a_deadline(index: PackageIndex, root: Path) -> None:
    index.add(INNER)
    index.held.clear()
    with pytest.raises(PackagesError, match="inner could not be installed in time"):
        await Environments(root, install_seconds=3.0).prepare(["inner"])
    assert [name for name in visible(root) if not name.endswith(".failed.json")] == []
