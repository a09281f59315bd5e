"""Deployments on this machine, with real serving processes: verified, replaced, taken back, killed."""

import os
import signal
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest

from atos_protocol.errors import BadRequestError, ConflictError, NotFoundError, RefusedError
from atos_servers.deployment.deployments import Deployments
from atos_servers.deployment.journal import Journals
from atos_servers.deployment.record import Deployment
from atos_servers.deployment.release_store import KEPT_RELEASES
from atos_servers.deployment.targets.local import Local, server_file
from atos_servers.deployment.targets.target import Place
from atos_servers.local_web.server_file import is_served, read
from doubles.eventually import eventually

pytestmark = pytest.mark.anyio


@pytest.fixture
async def deployments(atos_home: Path) -> AsyncGenerator[Deployments]:
    made = Deployments(Journals(atos_home / "deployments"), {"local": Local()})
    yield made
    for each in made.journals.all():
        for file in (made.journals.root / each.name / "releases").glob("*.server.json"):
            if is_served(file):
                os.kill(read(file).process, signal.SIGKILL)


def _site(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "index.html").write_text(text)
    return folder


def _app(folder: Path, body: str) -> Path:
    folder.mkdir(exist_ok=True)
    text = f"def app(environ, start_response):\n    {body}\n"
    (folder / "app.py").write_text(text)
    return folder


async def _deployed(
    deployments: Deployments, source: Path, seconds: float = 30, marker: str = ""
) -> Deployment:
    plan = await deployments.plan(source, "local")
    assert plan.planned is not None
    digest = plan.planned.digest
    return await deployments.deploy(plan.name, digest, by="test", marker=marker, seconds=seconds)


async def _text(url: str) -> str:
    async with httpx.AsyncClient(trust_env=False) as client:
        return (await client.get(url)).text


def _file(deployments: Deployments, found: Deployment) -> Path:
    assert found.live is not None
    return server_file(Place(found.name, deployments.journals.root / found.name), found.live)


async def test_another_release_takes_over_the_address_and_can_be_rolled_back(
    deployments: Deployments, tmp_path: Path
) -> None:
    first = await _deployed(deployments, _site(tmp_path / "site", "one"))
    assert (first.state, await _text(first.url)) == ("verified", "one")
    second = await _deployed(deployments, _site(tmp_path / "site", "two"))
    assert (second.state, second.url, await _text(second.url)) == ("verified", first.url, "two")
    back = await deployments.roll_back("site", by="test")
    assert (back.state, back.url, await _text(back.url)) == ("verified", first.url, "one")
    assert back.live == first.live
    assert back.previous == second.live


async def test_a_release_that_does_not_answer_is_taken_away_and_the_old_one_stays(
    deployments: Deployments, tmp_path: Path
) -> None:
    works = "start_response('200 OK', []); return [b'works']"
    first = await _deployed(deployments, _app(tmp_path / "web", works))
    process = read(_file(deployments, first)).process
    failed = await _deployed(deployments, _app(tmp_path / "web", "raise ValueError(7)"), seconds=4)
    assert failed.state == "failed"
    assert "the root page answers 500: the application failed: ValueError: 7" in failed.reason
    assert await _text(failed.url) == "works"
    assert read(_file(deployments, failed)).process == process
    served = list((deployments.journals.root / "web" / "releases").glob("*.server.json"))
    assert [is_served(file) for file in served].count(True) == 1
    assert any("ValueError: 7" in line for line in deployments.log("web", 200))


async def test_what_is_up_stays_up_when_it_is_deployed_again_and_does_not_pass(
    deployments: Deployments, tmp_path: Path
) -> None:
    first = await _deployed(deployments, _site(tmp_path / "site", "one"))
    process = read(_file(deployments, first)).process
    failed = await _deployed(deployments, _site(tmp_path / "site", "one"), 0.5, marker="two")
    assert (failed.state, failed.live) == ("failed", first.live)
    assert failed.reason.startswith("the root page does not hold 'two'")
    assert (await _text(failed.url), deployments.is_up(failed)) == ("one", True)
    assert read(_file(deployments, failed)).process == process
    again = await deployments.verify("site", marker="one")
    assert (again.state, again.url, again.reason) == ("verified", first.url, "")


@pytest.mark.parametrize("text", ["one", "another"])
async def test_what_was_stopped_stays_so_when_it_or_another_is_deployed_and_does_not_pass(
    deployments: Deployments, tmp_path: Path, text: str
) -> None:
    first = await _deployed(deployments, _site(tmp_path / "site", "one"))
    await deployments.stop("site")
    failed = await _deployed(deployments, _site(tmp_path / "site", text), 0.5, marker="two")
    assert (failed.state, failed.live) == ("failed", first.live)
    assert not deployments.is_up(failed)
    files = (deployments.journals.root / "site" / "releases").glob("*.server.json")
    assert [is_served(file) for file in files].count(True) == 0
    with pytest.raises(NotFoundError, match=r"nothing of site is up \(it is failed\)"):
        await deployments.verify("site")
    assert (await deployments.start("site")).url == first.url


async def test_an_approval_is_of_exactly_the_files_that_were_planned(
    deployments: Deployments, tmp_path: Path
) -> None:
    plan = await deployments.plan(_site(tmp_path / "site", "one"), "local")
    assert plan.planned is not None
    await deployments.plan(_site(tmp_path / "site", "two"), "local")
    with pytest.raises(RefusedError, match="was approved, but"):
        await deployments.deploy("site", plan.planned.digest, by="test")
    found = deployments.journals.known("site").read()
    assert (found.state, found.live) == ("planned", None)


async def test_what_a_killed_call_has_left_serving_ends_with_the_next_deployment(
    deployments: Deployments, tmp_path: Path
) -> None:
    plan = await deployments.plan(_site(tmp_path / "site", "one"), "local")
    assert plan.planned is not None
    place = Place("site", deployments.journals.root / "site")
    await deployments.targets["local"].apply(place, plan.planned, port=0)
    left = server_file(place, plan.planned)
    assert is_served(left)
    second = await _deployed(deployments, _site(tmp_path / "site", "two"))
    assert (second.state, await _text(second.url), is_served(left)) == ("verified", "two", False)


async def test_plans_that_are_never_deployed_do_not_fill_the_disk(
    deployments: Deployments, tmp_path: Path
) -> None:
    planned = await deployments.plan(_site(tmp_path / "site", "page"), "local")
    for number in range(KEPT_RELEASES + 3):
        planned = await deployments.plan(_site(tmp_path / "site", f"page {number}"), "local")
    kept = [path.name for path in (deployments.journals.root / "site" / "releases").iterdir()]
    assert planned.planned is not None
    assert planned.planned.id in kept
    assert len(kept) == KEPT_RELEASES + 1


async def test_what_is_served_is_what_was_planned_whatever_the_folder_has_become(
    deployments: Deployments, tmp_path: Path
) -> None:
    plan = await deployments.plan(_site(tmp_path / "site", "planned"), "local")
    assert plan.planned is not None
    _site(tmp_path / "site", "changed since")
    done = await deployments.deploy("site", plan.planned.digest, by="test", marker="planned")
    assert (done.state, await _text(done.url)) == ("verified", "planned")


async def test_a_server_that_was_killed_is_down_and_comes_back_at_its_address(
    deployments: Deployments, tmp_path: Path
) -> None:
    done = await _deployed(deployments, _site(tmp_path / "site", "one"))
    assert deployments.is_up(done)
    os.kill(read(_file(deployments, done)).process, signal.SIGKILL)
    await eventually(lambda: not deployments.is_up(done))
    gone = await deployments.verify("site", seconds=0.3)
    assert (gone.state, "does not answer" in gone.reason) == ("failed", True)
    back = await deployments.start("site")
    assert (back.state, back.url, await _text(back.url)) == ("verified", done.url, "one")


async def test_a_deployment_that_was_killed_in_the_middle_goes_on_when_it_is_asked_again(
    deployments: Deployments, tmp_path: Path
) -> None:
    first = await _deployed(deployments, _site(tmp_path / "site", "one"))
    plan = await deployments.plan(_site(tmp_path / "site", "two"), "local")
    assert plan.planned is not None
    place = Place("site", deployments.journals.root / "site")
    # What a process leaves that is killed after the new server has started, and after the old one has ended:
    await Local().apply(place, plan.planned, port=0)
    await Local().stop(place, first.live or plan.planned)
    done = await deployments.deploy("site", plan.planned.digest, by="test")
    assert (done.state, done.url, await _text(done.url)) == ("verified", first.url, "two")
    files = (deployments.journals.root / "site" / "releases").glob("*.server.json")
    assert [is_served(file) for file in files].count(True) == 1


async def test_a_stopped_deployment_answers_no_more_until_it_is_started(
    deployments: Deployments, tmp_path: Path
) -> None:
    done = await _deployed(deployments, _site(tmp_path / "site", "one"))
    assert (await deployments.stop("site")).state == "stopped"
    with pytest.raises(httpx.ConnectError):
        await _text(done.url)
    with pytest.raises(NotFoundError, match="nothing of site is up"):
        await deployments.verify("site")
    assert (await deployments.start("site")).url == done.url


async def test_what_cannot_be_deployed_says_what_would_be(
    deployments: Deployments, tmp_path: Path
) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "notes.txt").write_text("x")
    with pytest.raises(BadRequestError, match=r"nothing among 1 files .* index\.html"):
        await deployments.plan(tmp_path / "notes", "local")
    with pytest.raises(BadRequestError, match="Targets: local"):
        await deployments.plan(_site(tmp_path / "site", "x"), "moon")
    await deployments.plan(_site(tmp_path / "site", "x"), "local", "mine")
    with pytest.raises(ConflictError, match="mine is "):
        await deployments.plan(_site(tmp_path / "other", "x"), "local", "mine")
    with pytest.raises(NotFoundError, match="no release before"):
        await deployments.roll_back("mine", by="test")
