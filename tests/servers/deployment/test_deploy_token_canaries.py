"""Tokens to deploy with are found nowhere, whatever becomes of the deployments that they are used for.

The command line, the host and git are real, and at debug level. GitHub and Heroku tell everybody the token that they
were sent, and so does the program in wrangler's place.
"""

import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from doubles.canaries import Canaries, ProcessLists
from doubles.github import GitHubDouble, github
from doubles.heroku import HerokuDouble, heroku, unpacked
from doubles.host_process import HostProcess, host_process

pytestmark = pytest.mark.timeout(300)

PAGE = "<h1>hello</h1>"
APP = "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'hello']\n"
WRANGLER = """#!{python}
import os, sys
print("using the token", os.environ["CLOUDFLARE_API_TOKEN"])
print("ERROR fetch failed with", os.environ["CLOUDFLARE_API_TOKEN"], file=sys.stderr)
sys.exit(1)
"""
KEYS = {"GITHUB": "github", "CLOUDFLARE": "cloudflare", "HEROKU": "heroku"}


@pytest.fixture
def canaries() -> Canaries:
    return Canaries()


@pytest.fixture
def hub(canaries: Canaries, tmp_path: Path) -> Generator[GitHubDouble]:
    with github(tmp_path / "hub") as double:
        double.token, double.site = canaries.of[".config/github.token"], PAGE
        yield double


@pytest.fixture
def there(canaries: Canaries) -> Generator[HerokuDouble]:
    with heroku() as double:
        double.token = canaries.of[".config/heroku.token"]
        yield double


@pytest.fixture
def host(
    canaries: Canaries, hub: GitHubDouble, there: HerokuDouble, tmp_path: Path
) -> Generator[HostProcess]:
    canaries.plant(tmp_path)
    program = tmp_path / "wrangler"
    program.write_text(WRANGLER.format(python=sys.executable))
    program.chmod(0o755)
    settings = {
        f"ATOS_{name}_TOKEN_FILE": str(tmp_path / ".config" / f"{file}.token") for name, file in KEYS.items()
    }  # fmt: skip
    settings |= {
        "ATOS_GITHUB_URL": hub.url,
        "ATOS_HEROKU_URL": there.url,
        "ATOS_WRANGLER": str(program),
    }
    with host_process(**settings, ATOS_LOG_LEVEL="DEBUG") as host:
        yield host


def client(*arguments: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "atos.cli.main", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    return done.returncode, done.stdout + done.stderr


def deployed(source: Path, target: str) -> tuple[int, str]:
    """Deploy as a person does who approves; return the exit status and all that was said."""
    _, asked = client("deploy", str(source), target)
    if "--approve " not in asked:
        return 1, asked
    status, said = client(
        "deploy", str(source), target, "--approve", asked.split("--approve ")[1].split()[0]
    )
    return status, asked + said


def source(folder: Path, **files: str) -> Path:
    folder.mkdir()
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    who = ["-c", "user.name=me", "-c", "user.email=me@localhost"]
    for command in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "hello"]):
        subprocess.run(["git", "-C", folder, *who, *command], check=True)
    return folder


def test_tokens_that_are_used_refused_and_told_back_are_found_nowhere(
    canaries: Canaries, hub: GitHubDouble, there: HerokuDouble, host: HostProcess
) -> None:
    site = source(host.person / "site", index_html=PAGE)
    app = source(host.person / "shop", app_py=APP)
    lists, said = ProcessLists(), list[str]()
    with lists.watching():
        good = [deployed(site, "pages"), deployed(app, "heroku")]
        hub.trouble = {("PUSH", ""): [500]}
        there.trouble = {("POST", "/builds"): [500]}
        (app / "app.py").write_text(APP.replace("hello", "again"))
        source_again(app)
        bad = [deployed(site, "cloudflare"), deployed(app, "github"), deployed(app, "heroku")]
        hub.token = there.token = "another"
        bad += [deployed(site, "pages"), deployed(app, "heroku")]
        for name in ("site", "shop", "site-2", "shop-2"):
            said += [
                client("deployments", action, name)[1] for action in ("logs", "verify", "rollback")
            ]
        said += [client("doctor")[1], client("deployments", "--json")[1]]

    assert [status for status, _ in good] == [0, 0], good
    assert 0 not in [status for status, _ in bad], bad
    said += [text for _, text in good + bad]
    assert any("refuses the token" in text for text in said)
    assert [text for text in said if canaries.found(text.encode())] == []
    assert [each for each in lists.seen if canaries.found(each)] == []
    assert canaries.in_files(host.settings.home) == {}
    assert canaries.in_files(host.person) == {}
    pushed = subprocess.run(
        ["git", "-C", hub.root / "me/site.git", "cat-file", "--batch-all-objects", "--batch"],
        capture_output=True, check=True,
    ).stdout  # fmt: skip
    sent = b"".join(data for each in there.sources.values() for data in unpacked(each).values())
    assert b"hello" in pushed
    assert b"again" in sent
    assert canaries.found(pushed + sent) == []


def source_again(folder: Path) -> None:
    who = ["-c", "user.name=me", "-c", "user.email=me@localhost"]
    subprocess.run(["git", "-C", folder, *who, "commit", "-qam", "again"], check=True)
