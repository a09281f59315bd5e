"""Heroku: every request held against its own schema, and apps that answer from the source that was sent."""

import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from atos_protocol.errors import AtosError, BadRequestError, RefusedError, UnauthorizedError
from atos_servers.deployment import rest_api
from atos_servers.deployment.deployments import Deployments
from atos_servers.deployment.heroku_source import packed
from atos_servers.deployment.journal import Journals
from atos_servers.deployment.record import Deployment
from atos_servers.deployment.targets.heroku import BUILT, CREATED, RELEASED, Heroku
from doubles.github import CUT, SLOW
from doubles.heroku import TOKEN, HerokuDouble, heroku, unpacked, wrong_ones

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]

WORKS = "start_response('200 OK', [('content-type', 'text/plain')]); return [b'{}']"
NAME = "shop-app"


@pytest.fixture
def there() -> Iterator[HerokuDouble]:
    with heroku() as double:
        yield double
        assert double.wrong == [], "Heroku's description does not allow these"
        assert double.uploads_with_token == 0


@pytest.fixture
def deployments(there: HerokuDouble, atos_home: Path, tmp_path: Path) -> Deployments:
    token = tmp_path / "token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    return Deployments(
        Journals(atos_home / "deployments"), {"heroku": Heroku(there.url, str(token))}
    )


def app(folder: Path, says: str = "one", body: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    body = body or WORKS.format(says)
    (folder / "app.py").write_text(f"def app(environ, start_response):\n    {body}\n")
    return folder


async def deployed(deployments: Deployments, source: Path, seconds: float = 10) -> Deployment:
    plan = await deployments.plan(source, "heroku", destination=NAME)
    assert plan.planned is not None
    return await deployments.deploy(plan.name, plan.planned.digest, by="test", seconds=seconds)


def running(there: HerokuDouble) -> bytes:
    return there.apps[NAME].runs()["app.py"]


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_an_app_is_made_built_and_verified_from_exactly_the_files_of_the_plan(
    there: HerokuDouble, deployments: Deployments, tmp_path: Path
) -> None:
    plan = await deployments.plan(app(tmp_path / "shop"), "heroku", destination=NAME)
    assert plan.planned is not None
    assert plan.planned.what == f"the WSGI application app:app; creates the app {NAME} at Heroku"
    assert plan.planned.files == ("Procfile", "app.py", "requirements.txt")
    assert plan.planned.warnings == (
        "public: everybody can open it; Heroku bills the account for the dyno that runs it",
        "Procfile is written for Heroku",
        "requirements.txt is written for Heroku",
    )
    assert there.writes == [], "a plan changes nothing"

    done = await deployments.deploy(
        "shop", plan.planned.digest, by="test", marker="one", seconds=10
    )

    assert (done.state, done.reason) == ("verified", "")
    assert done.url == f"{there.url}/site/{NAME}/"
    assert done.evidence == (
        f"Heroku built release {plan.planned.id}",
        f"v2 of {NAME} runs that build",
        f"GET {done.url} answers 200",
        "the page holds 'one'",
    )
    assert there.writes == ["POST /apps", "POST /sources", f"POST /apps/{NAME}/builds"]
    kept = deployments.journals.root / "shop" / "releases" / plan.planned.id
    assert there.apps[NAME].runs() == {path.name: path.read_bytes() for path in kept.iterdir()}


async def test_roll_back_releases_the_build_before_and_builds_nothing(
    there: HerokuDouble, deployments: Deployments, tmp_path: Path
) -> None:
    first = await deployed(deployments, app(tmp_path / "shop"))
    second = await deployed(deployments, app(tmp_path / "shop", "two"))
    back = await deployments.roll_back("shop", by="test", seconds=10)
    assert [each.state for each in (first, second, back)] == ["verified"] * 3
    assert (back.live, b"one" in running(there)) == (first.live, True)
    assert there.writes[-1] == f"POST /apps/{NAME}/releases"
    assert len(there.apps[NAME].builds) == 2


async def test_stop_has_nothing_run_and_start_brings_it_back(
    there: HerokuDouble, deployments: Deployments, tmp_path: Path
) -> None:
    await deployed(deployments, app(tmp_path / "shop"))
    assert (await deployments.stop("shop")).state == "stopped"
    assert there.apps[NAME].quantity == 0
    assert (await deployments.start("shop", seconds=10)).state == "verified"
    assert (there.apps[NAME].quantity, len(there.apps[NAME].builds)) == (1, 1)


async def test_a_build_takes_its_time_and_is_verified_later(
    there: HerokuDouble, deployments: Deployments, tmp_path: Path
) -> None:
    there.build = "pending"
    waiting = await deployed(deployments, app(tmp_path / "shop"), seconds=1)
    assert (waiting.state, waiting.live) == ("applied", None)
    again = await deployed(deployments, app(tmp_path / "shop"), seconds=1)
    assert (again.state, len(there.apps[NAME].builds)) == ("applied", 1)
    there.finish(NAME)
    assert (await deployments.verify("shop", seconds=10)).state == "verified"


async def test_a_build_that_fails_is_told_with_its_output_and_the_old_one_stays(
    there: HerokuDouble, deployments: Deployments, tmp_path: Path
) -> None:
    first = await deployed(deployments, app(tmp_path / "shop"))
    there.build = "failed"
    failed = await deployed(deployments, app(tmp_path / "shop", "two"))
    assert (failed.state, failed.live, b"one" in running(there)) == ("failed", first.live, True)
    assert (
        "Heroku could not build it: -----> Python app detected /  !     Push rejected"
        in failed.reason
    )
    assert any("Push rejected" in line for line in deployments.log("shop", 50))
    there.build = "succeeded"
    assert (await deployed(deployments, app(tmp_path / "shop", "two"))).state == "verified"


async def test_an_app_that_never_becomes_healthy_fails_with_its_log_and_the_old_one_returns(
    there: HerokuDouble, deployments: Deployments, tmp_path: Path
) -> None:
    first = await deployed(deployments, app(tmp_path / "shop"))
    waiting = await deployed(
        deployments, app(tmp_path / "shop", body="raise ValueError(7)"), seconds=1
    )
    assert (waiting.state, waiting.live) == ("applied", first.live)
    failed = await replace(deployments, patience=0).verify("shop", seconds=1)
    assert (failed.state, failed.live) == ("failed", first.live)
    assert "answers 503" in failed.reason
    assert b"one" in running(there)
    assert any("Push rejected" in line for line in deployments.log("shop", 50))


async def test_the_first_app_that_never_becomes_healthy_costs_nothing_further(
    there: HerokuDouble, deployments: Deployments, tmp_path: Path
) -> None:
    await deployed(deployments, app(tmp_path / "shop", body="raise ValueError(7)"), seconds=1)
    failed = await replace(deployments, patience=0).verify("shop", seconds=1)
    assert (failed.state, there.apps[NAME].quantity) == ("failed", 0)
    assert (await deployed(deployments, app(tmp_path / "shop"))).state == "verified"
    assert there.apps[NAME].quantity == 1


@pytest.mark.parametrize(
    ("method", "end", "status", "said"),
    [
        ("POST", "/apps", 500, "Heroku fails with 500 (POST /apps)"),
        ("POST", "/apps", 402, "Heroku wants to be paid first"),
        ("POST", "/apps", 429, "Heroku's rate limit is reached"),
        ("POST", "/apps", CUT, "Heroku does not answer (POST /apps): RemoteProtocolError"),
        ("POST", "/apps", SLOW, "Heroku does not answer (POST /apps): ReadTimeout"),
        ("PUT", "/0", 500, "the source could not be sent to Heroku: it answers 500. Done before that: the app shop-app is there"),
        ("PUT", "/0", CUT, "the source could not be sent to Heroku: RemoteProtocolError"),
        ("POST", "/builds", 503, "Heroku fails with 503 (POST /apps/shop-app/builds). Done before that: the app"),
        ("GET", "/formation", 429, "Done before that: the app shop-app is there, its build build-shop-app-1 is started"),
    ],
)  # fmt: skip
async def test_trouble_is_said_with_what_was_done_and_gone_on_from(
    there: HerokuDouble, deployments: Deployments, tmp_path: Path, method: str, end: str, status: int, said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    if status == SLOW:
        monkeypatch.setattr(rest_api, "REQUEST_SECONDS", 1.0)
    there.trouble = {(method, end): [status]}
    failed = await deployed(deployments, app(tmp_path / "shop"), seconds=2)
    assert (failed.state, said in failed.reason) == ("failed", True), failed.reason
    assert TOKEN not in failed.reason
    done = await deployed(deployments, app(tmp_path / "shop"))
    assert done.state == "verified"
    assert (len(there.apps), len(there.apps[NAME].builds)) == (1, 1)


async def test_every_wrong_request_that_the_schema_can_tell_is_refused(
    there: HerokuDouble, deployments: Deployments, tmp_path: Path
) -> None:
    """Each request of deployments, a roll back and a stop is made wrong in each way."""
    await deployed(deployments, app(tmp_path / "shop"))
    await deployed(deployments, app(tmp_path / "shop", "two"))
    await deployments.roll_back("shop", by="test", seconds=10)
    await deployments.stop("shop")
    told = 0
    for method, path, body in there.asked:
        assert there.schema.faults(method, path, body) == []
        for wrong in wrong_ones(there.schema, method, path, body):
            assert there.schema.faults(*wrong), wrong
            told += 1
    assert told > 60


async def test_a_revoked_token_is_named_and_not_shown(
    there: HerokuDouble, deployments: Deployments, tmp_path: Path
) -> None:
    plan = await deployments.plan(app(tmp_path / "shop"), "heroku", destination=NAME)
    there.token = "another"
    with pytest.raises(UnauthorizedError, match="wrong, expired or revoked") as refused:
        await deployments.plan(app(tmp_path / "shop"), "heroku", destination=NAME)
    assert TOKEN not in str(refused.value)
    assert plan.planned is not None
    done = await deployments.deploy("shop", plan.planned.digest, by="test", seconds=1)
    assert (done.state, there.writes) == ("failed", [])


async def test_another_approval_than_that_of_the_plan_sends_nothing(
    there: HerokuDouble, deployments: Deployments, tmp_path: Path
) -> None:
    before = await deployments.plan(app(tmp_path / "shop"), "heroku", destination=NAME)
    await deployments.plan(app(tmp_path / "shop", "two"), "heroku", destination=NAME)
    assert before.planned is not None
    with pytest.raises(RefusedError, match="was approved, but"):
        await deployments.deploy("shop", before.planned.digest, by="test")
    assert there.writes == []


@pytest.mark.parametrize("what", ["secret", "site", "name", "theirs", "procfile"])
async def test_what_must_not_go_out_is_refused_before_anything_is_sent(
    there: HerokuDouble, deployments: Deployments, tmp_path: Path, what: str
) -> None:
    source, to = app(tmp_path / "shop"), NAME
    if what == "secret":
        (source / "keys.py").write_text('API_KEY = "1234567890abcdef"')
    elif what == "site":
        (source / "app.py").unlink()
        (source / "index.html").write_text("<h1>one</h1>")
    elif what == "procfile":
        (source / "Procfile").write_text("worker: python work.py\n")
    elif what == "name":
        to = "Shop_1"
    else:
        there.theirs.add(NAME)
    with pytest.raises((RefusedError, BadRequestError)) as refused:
        await deployments.plan(source, "heroku", destination=to)
    assert refused.value.next_step
    assert there.writes == []


async def test_the_token_is_in_no_file_and_goes_to_the_api_only(
    there: HerokuDouble, deployments: Deployments, tmp_path: Path, atos_home: Path
) -> None:
    done = await deployed(deployments, app(tmp_path / "shop"))
    assert (done.state, there.uploads_with_token) == ("verified", 0)
    kept = files_below(atos_home)
    assert len(kept) > 4
    assert [path for path in kept if TOKEN.encode() in path.read_bytes()] == []
    [archive] = there.sources.values()
    assert TOKEN.encode() not in b"".join(unpacked(archive).values())


@pytest.mark.parametrize("point", [CREATED, BUILT, RELEASED])
async def test_who_is_killed_after_a_step_goes_on_and_makes_nothing_twice(
    there: HerokuDouble, deployments: Deployments, tmp_path: Path, atos_home: Path, point: str
) -> None:
    plan = await deployments.plan(app(tmp_path / "shop"), "heroku", destination=NAME)
    assert plan.planned is not None
    given = [str(atos_home), there.url, str(tmp_path / "token"), plan.planned.digest]
    command = [sys.executable, "-c", DEPLOY, *given]
    killed = await anyio.run_process(
        command, check=False, env={**os.environ, "ATOS_CRASHPOINT": point}
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    interrupted = deployments.journals.known("shop").read()
    assert (interrupted.state, interrupted.live) == ("approved", None)
    (atos_home / "deployments" / "shop" / "heroku.json").unlink(
        missing_ok=True
    )  # killed before it was kept

    done = await deployments.deploy("shop", plan.planned.digest, by="test", seconds=10)

    assert done.state == "verified"
    assert there.writes == ["POST /apps", "POST /sources", f"POST /apps/{NAME}/builds"]
    assert [each["slug"] for each in there.apps[NAME].releases] == [
        None,
        {"id": f"slug-build-{NAME}-1"},
    ]


DEPLOY = """
import sys
from pathlib import Path
import anyio
from atos_protocol.settings import load_settings
from atos_servers.deployment.deployments import Deployments
from atos_servers.deployment.journal import Journals
from atos_servers.deployment.targets.heroku import Heroku

home, url, token, digest = sys.argv[1:]
load_settings().prepare()
made = Deployments(Journals(Path(home) / "deployments"), {"heroku": Heroku(url, token)})
anyio.run(lambda: made.deploy("shop", digest, by="test"))
"""


@pytest.mark.parametrize(
    ("files", "procfile", "requirements"),
    [
        (
            {"app.py": "from flask import Flask\napp = Flask(__name__)\n", "requirements.txt": "flask\n"},
            "web: gunicorn --bind 0.0.0.0:$PORT app:app\n",
            "flask\ngunicorn>=23,<27\n",
        ),
        (
            {"web.py": "from flask import Flask\ndef create_app():\n    return Flask(__name__)\n", "requirements.txt": "Gunicorn==23.0\n"},
            "web: gunicorn --bind 0.0.0.0:$PORT 'web:create_app()'\n",
            "Gunicorn==23.0\n",
        ),
        (
            {"main.py": "from fastapi import FastAPI\napp = FastAPI()\n", "requirements.txt": "fastapi"},
            "web: uvicorn --host 0.0.0.0 --port $PORT main:app\n",
            "fastapi\nuvicorn>=0.30,<1\n",
        ),
        (
            {"app.py": "app = Flask(__name__)\n", "Procfile": "web: python app.py\n"},
            "web: python app.py\n",
            "",
        ),
    ],
)  # fmt: skip
async def test_what_heroku_needs_is_written_where_it_is_missing(
    deployments: Deployments,
    tmp_path: Path,
    files: dict[str, str],
    procfile: str,
    requirements: str,
) -> None:
    source = tmp_path / "shop"
    source.mkdir()
    for name, text in files.items():
        (source / name).write_text(text)
    plan = await deployments.plan(source, "heroku", destination=NAME)
    assert plan.planned is not None
    kept = deployments.journals.root / "shop" / "releases" / plan.planned.id
    assert (kept / "Procfile").read_text() == procfile
    assert (kept / "requirements.txt").read_text() == requirements
    assert packed(kept) == packed(kept)
    assert unpacked(packed(kept).data).keys() == set(plan.planned.files)


async def test_without_a_token_it_is_said_how_to_get_one(atos_home: Path, tmp_path: Path) -> None:
    made = Deployments(
        Journals(atos_home / "deployments"), {"heroku": Heroku("http://127.0.0.1:9", "")}
    )
    with pytest.raises(AtosError, match="there is no token for Heroku"):
        await made.plan(app(tmp_path / "shop"), "heroku")
