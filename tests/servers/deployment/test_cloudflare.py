"""Cloudflare: the real wrangler against a stand-in for its API, and whole deployments with a program in its place."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Generator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import anyio
import pytest

from atos_daemon.key_source import KeySource
from atos_protocol.errors import (
    AtosError,
    BadConfigError,
    BadRequestError,
    BusyError,
    RefusedError,
    UnauthorizedError,
    UnreachableError,
)
from atos_servers.deployment import wrangler
from atos_servers.deployment.deployments import Deployments
from atos_servers.deployment.journal import Journals
from atos_servers.deployment.record import Deployment
from atos_servers.deployment.targets.cloudflare import PUT, Cloudflare
from atos_servers.deployment.wrangler import Put, Wrangler
from doubles.cloudflare import CLAIM, TOKEN, CloudflareDouble, cloudflare

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]

REAL = shutil.which("wrangler")
needs_wrangler = pytest.mark.skipif(REAL is None, reason="wrangler is not installed")
PAGE = "<h1>price tracker</h1>"
IN_PLACE = """#!{python}
import json, os, shutil, sys
given = sys.argv[1:]
with open({log!r}, "a") as log:
    log.write(json.dumps([given, dict(os.environ)]) + "\\n")
name = given[given.index("--name") + 1]
site = os.path.join({sites!r}, name)
shutil.rmtree(site, ignore_errors=True)
if given[0] == "deploy":
    shutil.copytree(given[given.index("--assets") + 1], site)
    with open(os.environ["WRANGLER_OUTPUT_FILE_PATH"], "w") as told:
        told.write(json.dumps({{"type": "deploy", "targets": [{url!r} + name]}}) + "\\n")
    if "--temporary" in given:
        print("Temporary account ready:\\n\\tClaim within: 60 minutes\\n\\tClaim URL: {claim}")
"""


@pytest.fixture
def api() -> Generator[CloudflareDouble]:
    with cloudflare() as double:
        yield double


@pytest.fixture
def token(tmp_path: Path) -> str:
    path = tmp_path / "token"
    path.write_text(TOKEN)
    path.chmod(0o600)
    return str(path)


@pytest.fixture
def program(tmp_path: Path) -> Generator[Path]:
    """A program in wrangler's place, which serves what it is given; `log` beside it holds its calls."""
    sites = tmp_path / "sites"
    sites.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(sites)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    made = tmp_path / "wrangler"
    url, log = f"http://127.0.0.1:{server.server_port}/", str(tmp_path / "log")
    made.write_text(
        IN_PLACE.format(python=sys.executable, log=log, sites=str(sites), url=url, claim=CLAIM)
    )
    made.chmod(0o755)
    yield made
    server.shutdown()
    server.server_close()


def calls(program: Path) -> list[tuple[list[str], dict[str, str]]]:
    """Return arguments and environment of each call."""
    log = program.parent / "log"
    lines = log.read_text().splitlines() if log.exists() else []
    return [(arguments, environment) for arguments, environment in map(json.loads, lines)]


def served(program: Path) -> list[str]:
    """Return the pages that answer."""
    return [path.read_text() for path in (program.parent / "sites").glob("*/index.html")]


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def put_another_site_instead(program: Path, folder: Path) -> None:
    text = program.read_text()
    program.write_text(text.replace('given[given.index("--assets") + 1]', repr(str(site(folder)))))


def deployments(home: Path, program: Path, token: str = "") -> Deployments:
    target = Cloudflare(token, str(program), home / "cloudflare")
    return Deployments(Journals(home / "deployments"), {"cloudflare": target})


def site(folder: Path, page: str = PAGE) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "index.html").write_text(page)
    return folder


async def deployed(made: Deployments, source: Path, seconds: float = 10) -> Deployment:
    plan = await made.plan(source, "cloudflare")
    assert plan.planned is not None
    return await made.deploy(plan.name, plan.planned.digest, by="test", seconds=seconds)


async def test_without_a_token_the_site_answers_and_the_claim_link_is_told(
    atos_home: Path, program: Path, tmp_path: Path
) -> None:
    made = deployments(atos_home, program)
    plan = await made.plan(site(tmp_path / "shop"), "cloudflare")
    assert plan.planned is not None
    assert re.search(r"as the Worker shop-[0-9a-f]{6} in a temporary account", plan.planned.what)
    assert any("Cloudflare's terms" in warning for warning in plan.planned.warnings)
    assert calls(program) == [], "a plan sends nothing"
    done = await made.deploy("shop", plan.planned.digest, by="test", seconds=10)
    assert done.state == "verified", done.reason
    assert done.evidence == (
        f"the stamp is release {plan.planned.id}",
        f"GET {done.url} answers as deployed, {len(PAGE)} bytes",
        f"it is deleted unless you claim it within 60 minutes: {CLAIM}",
    )
    assert calls(program)[0][0][-1] == "--temporary"


async def test_roll_back_puts_the_release_before_in_its_place_and_stop_takes_it_down(
    atos_home: Path, program: Path, token: str, tmp_path: Path
) -> None:
    made = deployments(atos_home, program, token)
    first = await deployed(made, site(tmp_path / "shop"))
    second = await deployed(made, site(tmp_path / "shop", "<h1>second</h1>"))
    back = await made.roll_back("shop", by="test", seconds=10)
    assert [each.state for each in (first, second, back)] == ["verified"] * 3
    assert back.live == first.live
    assert served(program) == [PAGE]
    assert (await made.stop("shop")).state == "stopped"
    assert served(program) == []


async def test_the_token_is_in_no_argument_and_no_file(
    atos_home: Path, program: Path, token: str, tmp_path: Path
) -> None:
    done = await deployed(deployments(atos_home, program, token), site(tmp_path / "shop"))
    assert done.state == "verified"
    [(arguments, environment)] = calls(program)
    assert TOKEN not in " ".join(arguments)
    assert [name for name, value in environment.items() if TOKEN in value] == [
        "CLOUDFLARE_API_TOKEN"
    ]
    kept = files_below(atos_home)
    assert len(kept) > 3
    assert [path for path in kept if TOKEN.encode() in path.read_bytes()] == []


async def test_a_site_that_never_answers_as_deployed_stays_applied_and_then_fails_with_its_log(
    atos_home: Path, program: Path, tmp_path: Path
) -> None:
    made = deployments(atos_home, program)
    first = await deployed(made, site(tmp_path / "shop"))
    put_another_site_instead(program, tmp_path / "other")
    plan = await made.plan(site(tmp_path / "shop", "<h1>second</h1>"), "cloudflare")
    assert plan.planned is not None
    waiting = await made.deploy("shop", plan.planned.digest, by="test", seconds=3)
    assert (waiting.state, waiting.live) == ("applied", first.live), waiting.reason
    impatient = Deployments(made.journals, made.targets, patience=0)
    failed = await impatient.verify("shop", seconds=3)
    assert failed.state == "failed"
    assert "stamp" in failed.reason
    assert any("was not verified" in line for line in made.log("shop", 20))


@pytest.mark.parametrize("what", ["secret", "no site", "destination"])
async def test_what_must_not_go_out_is_refused_before_wrangler_is_called(
    atos_home: Path, program: Path, tmp_path: Path, what: str
) -> None:
    made, source = deployments(atos_home, program), site(tmp_path / "shop")
    if what == "secret":
        (source / "keys.js").write_text('const API_KEY = "1234567890abcdef"')
    elif what == "no site":
        (source / "index.html").unlink()
        (source / "tool.py").write_text("def double(x):\n    return 2 * x\n")
    to = "me/shop" if what == "destination" else ""
    with pytest.raises((RefusedError, BadRequestError)):
        await made.plan(source, "cloudflare", destination=to)
    assert calls(program) == []


async def test_a_first_look_that_does_not_end_in_time_takes_nothing_back(
    atos_home: Path, program: Path, tmp_path: Path
) -> None:
    made = deployments(atos_home, program)
    first = await deployed(made, site(tmp_path / "shop"))
    plan = await made.plan(site(tmp_path / "shop", "<h1>second</h1>"), "cloudflare")
    assert plan.planned is not None
    waiting = await made.deploy("shop", plan.planned.digest, by="test", seconds=0)
    assert (waiting.state, waiting.live) == ("applied", first.live)
    done = await made.verify("shop", seconds=10)
    assert (done.state, served(program)) == ("verified", ["<h1>second</h1>"])


async def test_who_is_killed_after_the_files_are_there_goes_on_with_the_same_worker(
    atos_home: Path, program: Path, tmp_path: Path
) -> None:
    made = deployments(atos_home, program)
    plan = await made.plan(site(tmp_path / "shop"), "cloudflare")
    assert plan.planned is not None
    command = [sys.executable, "-c", DEPLOY, str(atos_home), str(program), plan.planned.digest]
    killed = await anyio.run_process(
        command, check=False, env={**os.environ, "ATOS_CRASHPOINT": PUT}
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert made.journals.known("shop").read().state == "approved"
    done = await made.deploy("shop", plan.planned.digest, by="test", seconds=10)
    assert (done.state, served(program)) == ("verified", [PAGE])
    assert CLAIM in done.evidence[-1]


DEPLOY = """
import sys
from pathlib import Path
import anyio
from atos_protocol.settings import load_settings
from atos_servers.deployment.deployments import Deployments
from atos_servers.deployment.journal import Journals
from atos_servers.deployment.targets.cloudflare import Cloudflare

home, program, digest = sys.argv[1:]
load_settings().prepare()
target = Cloudflare("", program, Path(home) / "cloudflare")
made = Deployments(Journals(Path(home) / "deployments"), {"cloudflare": target})
anyio.run(lambda: made.deploy("shop", digest, by="test"))
"""


async def test_another_approval_than_that_of_the_plan_sends_nothing(
    atos_home: Path, program: Path, tmp_path: Path
) -> None:
    made = deployments(atos_home, program)
    before = await made.plan(site(tmp_path / "shop"), "cloudflare")
    await made.plan(site(tmp_path / "shop", "changed"), "cloudflare")
    assert before.planned is not None
    with pytest.raises(RefusedError, match="was approved, but"):
        await made.deploy("shop", before.planned.digest, by="test")
    assert calls(program) == []


async def test_a_program_that_is_missing_is_named_with_how_to_get_it(
    atos_home: Path, tmp_path: Path
) -> None:
    done = await deployed(deployments(atos_home, tmp_path / "nothing"), site(tmp_path / "shop"))
    assert done.state == "failed"
    with pytest.raises(BadConfigError, match="is not there") as refused:
        Wrangler(str(tmp_path / "nothing"), tmp_path / "home").deploy("shop", tmp_path / "shop")
    assert "npm install -g wrangler" in refused.value.next_step


def test_a_wrangler_that_hangs_is_ended_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "wrangler"
    program.write_text("#!/bin/sh\nsleep 3217 &\nwait\n")
    program.chmod(0o755)
    monkeypatch.setattr(wrangler, "SECONDS", 0.3)
    with pytest.raises(UnreachableError, match="did not end within"):
        Wrangler(str(program), tmp_path / "home").deploy("shop", tmp_path)
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert "sleep 3217" not in running.stdout


@pytest.fixture
def dev(program: Path, tmp_path: Path) -> Generator[Path]:
    """The program in wrangler's place, whose site Cloudflare's own server of assets answers: `wrangler dev`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    served = tmp_path / "sites" / "served"
    site(served, "not deployed yet")
    text = program.read_text()
    text = text.replace(repr(str(tmp_path / "sites")) + ", name", repr(str(served)))
    text = re.sub(r"'http://127[^']*' \+ name", f"'http://127.0.0.1:{port}/'", text)
    text = text.replace("shutil.rmtree(site, ignore_errors=True)\n", "")
    program.write_text(text.replace("+ 1], site)", "+ 1], site, dirs_exist_ok=True)"))
    command = [
        str(REAL), "dev", "--assets", str(served), "--name", "shop", "--compatibility-date", wrangler.COMPATIBILITY,
        "--ip", "127.0.0.1", "--port", str(port), "--inspector-port", "0",
    ]  # fmt: skip
    home = tmp_path / "dev"
    home.mkdir()
    own = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "CI": "1",
        "WRANGLER_SEND_METRICS": "false",
    }
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=home, env=own, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        try:
            yield program
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@needs_wrangler
async def test_what_cloudflares_own_server_answers_is_verified_and_rolled_back(
    atos_home: Path, dev: Path, token: str, tmp_path: Path
) -> None:
    made = deployments(atos_home, dev, token)
    first = await deployed(made, site(tmp_path / "shop"), seconds=60)
    second = await deployed(made, site(tmp_path / "shop", "<h1>second</h1>"), seconds=60)
    back = await made.roll_back("shop", by="test", seconds=60)
    assert [each.state for each in (first, second, back)] == ["verified"] * 3, back.reason
    assert back.live == first.live
    assert back.evidence[1] == f"GET {back.url} answers as deployed, {len(PAGE)} bytes"


@needs_wrangler
def test_the_real_wrangler_puts_exactly_the_files_there_and_takes_them_down(
    api: CloudflareDouble, token: str, tmp_path: Path
) -> None:
    files = site(tmp_path / "shop")
    made = Wrangler(str(REAL), tmp_path / "home", KeySource(token, "TEST"), api.url)
    assert made.deploy("shop", files) == Put("https://shop.me.workers.dev/")
    assert api.workers == {"shop": {"/index.html": PAGE.encode()}}
    made.deploy("shop", site(tmp_path / "shop", "second"))
    assert api.workers == {"shop": {"/index.html": b"second"}}
    made.delete("shop")
    assert api.workers == {}
    temporary = Wrangler(str(REAL), tmp_path / "home", None, api.url)
    put = temporary.deploy("shop", files)
    assert (put.url, put.claim_url) == ("https://shop.me.workers.dev/", CLAIM)
    assert put.claim_within


@needs_wrangler
@pytest.mark.parametrize(
    ("trouble", "token_there", "error"),
    [
        ([], "another", UnauthorizedError),
        ([429] * 20, TOKEN, BusyError),
        ([500] * 20, TOKEN, UnreachableError),
        ([0] * 20, TOKEN, UnreachableError),
    ],
    ids=["revoked", "rate limit", "5xx", "cut"],
)
def test_trouble_that_the_real_wrangler_tells_of_is_an_error_that_says_what_to_do(
    api: CloudflareDouble, token: str, tmp_path: Path, trouble: list[int], token_there: str, error: type[AtosError]
) -> None:  # fmt: skip
    api.trouble, api.token = trouble, token_there
    with pytest.raises(error) as refused:
        Wrangler(str(REAL), tmp_path / "home", KeySource(token, "TEST"), api.url).deploy(
            "shop", site(tmp_path / "shop")
        )
    assert TOKEN not in str(refused.value)
    assert refused.value.next_step
    assert api.changes == []
