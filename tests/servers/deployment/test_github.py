"""GitHub and Pages, with real git over HTTP and every request held against GitHub's own description."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from atos_protocol.errors import AtosError, RefusedError, UnauthorizedError
from atos_servers.deployment import git_push, process_group, rest_api
from atos_servers.deployment.deployments import Deployments
from atos_servers.deployment.journal import Journals
from atos_servers.deployment.record import Deployment
from atos_servers.deployment.targets.github import ASKED, CREATED, PUSHED, GitHub
from doubles.git_http import head
from doubles.github import CUT, SLOW, TOKEN, GitHubDouble, github, wrong_ones

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]

PAGE = "<h1>price tracker</h1>"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[GitHubDouble]:
    with github(tmp_path / "hub") as double:
        yield double
        assert double.wrong == [], "GitHub's description does not allow these"


@pytest.fixture
def deployments(hub: GitHubDouble, atos_home: Path, tmp_path: Path) -> Deployments:
    token = tmp_path / "token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    targets = [GitHub(hub.url, str(token)), GitHub(hub.url, str(token), pages=True)]
    return Deployments(Journals(atos_home / "deployments"), {each.name: each for each in targets})


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=me", "-c", "user.email=me@localhost"]
    command = ["git", "-C", str(folder), *who, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def commit(folder: Path, **files: str) -> str:
    folder.mkdir(exist_ok=True)
    if not (folder / ".git").exists():
        git(folder, "init", "-q", "-b", "main")
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "work")
    return git(folder, "rev-parse", "HEAD")


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def deployed(
    deployments: Deployments,
    source: Path,
    target: str = "github",
    to: str = "",
    seconds: float = 10,
) -> Deployment:
    plan = await deployments.plan(source, target, destination=to)
    assert plan.planned is not None
    return await deployments.deploy(plan.name, plan.planned.digest, by="test", seconds=seconds)


async def test_a_repository_is_made_and_the_pushed_tree_is_the_goals(
    hub: GitHubDouble, deployments: Deployments, tmp_path: Path
) -> None:
    sha = commit(tmp_path / "tracker", index_html=PAGE, _gitignore="*.log\n")
    plan = await deployments.plan(tmp_path / "tracker", "github")
    assert plan.planned is not None
    assert (
        plan.planned.what == "creates the public repository me/tracker and pushes its branch main"
    )
    assert plan.planned.files == (".gitignore", "index.html")
    assert hub.writes == [], "a plan changes nothing"

    done = await deployments.deploy(plan.name, plan.planned.digest, by="test")

    assert (done.state, done.url, done.reason) == ("verified", f"{hub.url}/me/tracker", "")
    assert head(hub.root, "me/tracker", "main") == sha
    assert hub.writes == ["POST /user/repos", f"POST /repos/me/tracker/statuses/{sha}"]
    assert hub.pushes == 1


async def test_pages_are_switched_on_and_compared_with_the_commit_and_rolled_back(
    hub: GitHubDouble, deployments: Deployments, tmp_path: Path
) -> None:
    first = commit(tmp_path / "site", index_html=PAGE)
    hub.site = PAGE
    done = await deployed(deployments, tmp_path / "site", "pages")
    assert (done.state, done.url) == ("verified", f"{hub.url}/sites/me/site/")
    assert done.evidence == (
        f"main of me/site is at commit {first[:12]}",
        f"GitHub built commit {first[:12]}",
        f"GET {done.url} answers as deployed, {len(PAGE)} bytes",
    )
    commit(tmp_path / "site", index_html="<h1>second</h1>")
    hub.site = "<h1>second</h1>"
    assert (await deployed(deployments, tmp_path / "site", "pages")).state == "verified"
    hub.site = PAGE
    back = await deployments.roll_back("site", by="test", seconds=10)
    assert (back.state, back.live and back.live.commit) == ("verified", first)
    assert head(hub.root, "me/site", "main") == first
    assert sum("pages" in each for each in hub.writes) == 1


async def test_a_site_that_is_still_built_is_not_taken_back_and_verified_later(
    hub: GitHubDouble, deployments: Deployments, tmp_path: Path
) -> None:
    commit(tmp_path / "site", index_html=PAGE)
    hub.build, hub.site = "building", PAGE
    waiting = await deployed(deployments, tmp_path / "site", "pages", seconds=1)
    assert (waiting.state, waiting.live) == ("applied", None)
    hub.build = "built"
    assert (await deployments.verify("site", seconds=10)).state == "verified"


async def test_a_site_that_never_answers_is_taken_back_when_patience_ends(
    hub: GitHubDouble, deployments: Deployments, tmp_path: Path
) -> None:
    first = commit(tmp_path / "site", index_html=PAGE)
    hub.site = PAGE
    await deployed(deployments, tmp_path / "site", "pages")
    commit(tmp_path / "site", index_html="<h1>second</h1>")
    waiting = await deployed(deployments, tmp_path / "site", "pages", seconds=1)
    assert waiting.state == "applied"
    assert waiting.live is not None
    assert waiting.live.commit == first
    failed = await replace(deployments, patience=0).verify("site", seconds=1)
    assert failed.state == "failed"
    assert "answers with another page" in failed.reason
    assert head(hub.root, "me/site", "main") == first


async def test_a_site_that_github_can_not_build_fails_with_its_reason_and_the_old_one_returns(
    hub: GitHubDouble, deployments: Deployments, tmp_path: Path
) -> None:
    first = commit(tmp_path / "site", index_html=PAGE)
    hub.site = PAGE
    await deployed(deployments, tmp_path / "site", "pages")
    commit(tmp_path / "site", index_html="{% broken")
    hub.build = "errored"
    failed = await deployed(deployments, tmp_path / "site", "pages", seconds=1)
    assert failed.state == "failed"
    assert "GitHub could not build the site: bad front matter" in failed.reason
    assert head(hub.root, "me/site", "main") == first


@pytest.mark.parametrize("push", [True, False])
async def test_what_is_not_ours_gets_a_pull_request_and_one_only(
    hub: GitHubDouble, deployments: Deployments, tmp_path: Path, *, push: bool
) -> None:
    theirs = tmp_path / "theirs"
    base = commit(theirs, readme_md="theirs")
    git(theirs, "push", "-q", str(hub.add("them/app", push=push)), "main")
    mine = tmp_path / "app"
    git(tmp_path, "clone", "-q", str(theirs), str(mine))
    sha = commit(mine, more_py="x = 1\n")

    done = await deployed(deployments, mine, to="them/app")
    again = await deployed(deployments, mine, to="them/app")

    assert (done.state, again.state, done.url) == (
        "verified",
        "verified",
        f"{hub.url}/them/app/pull/1",
    )
    owner = "them" if push else "me"
    assert [(each["_head"], each["_base"]) for each in hub.pulls] == [(f"{owner}:atos/app", "main")]
    assert head(hub.root, f"{owner}/app", "atos/app") == sha
    assert head(hub.root, "them/app", "main") == base


async def test_somebodys_commit_is_not_pushed_over(
    hub: GitHubDouble, deployments: Deployments, tmp_path: Path
) -> None:
    commit(tmp_path / "app", a_py="x = 1\n")
    await deployed(deployments, tmp_path / "app")
    commit(tmp_path / "app", a_py="x = 2\n")
    plan = await deployments.plan(tmp_path / "app", "github")
    other = tmp_path / "other"
    git(tmp_path, "clone", "-q", str(hub.root / "me" / "app.git"), str(other))
    theirs = commit(other, b_py="y = 1\n")
    git(other, "push", "-q", "origin", "main")
    assert plan.planned is not None
    done = await deployments.deploy("app", plan.planned.digest, by="test", seconds=1)
    assert done.state == "failed"
    assert f"main of me/app is at {theirs[:12]} now" in done.reason
    assert head(hub.root, "me/app", "main") == theirs


async def test_a_secret_anywhere_in_the_history_keeps_everything_at_home(
    hub: GitHubDouble, deployments: Deployments, tmp_path: Path
) -> None:
    commit(tmp_path / "app", a_py='API_KEY = "1234567890abcdef"\n')
    commit(tmp_path / "app", a_py="import os\n")
    with pytest.raises(
        RefusedError, match=r"1 places look like secrets: a\.py, line 1: a password or key"
    ):
        await deployments.plan(tmp_path / "app", "github")
    assert hub.writes == []


async def test_a_name_that_says_secret_keeps_everything_at_home_whatever_else_has_its_content(
    hub: GitHubDouble, deployments: Deployments, tmp_path: Path
) -> None:
    (tmp_path / "app" / "config").mkdir(parents=True)
    for name in ("a.txt", "config/.env"):
        (tmp_path / "app" / name).write_text("PIN=1234\n")
    commit(tmp_path / "app")
    (tmp_path / "app" / "config" / ".env").unlink()
    commit(tmp_path / "app")
    with pytest.raises(RefusedError, match=r"config/\.env: a file of this name holds secrets"):
        await deployments.plan(tmp_path / "app", "github")
    assert hub.writes == []


async def test_another_approval_than_that_of_the_plan_sends_nothing(
    hub: GitHubDouble, deployments: Deployments, tmp_path: Path
) -> None:
    commit(tmp_path / "app", a_py="x = 1\n")
    before = await deployments.plan(tmp_path / "app", "github")
    commit(tmp_path / "app", a_py="x = 2\n")
    await deployments.plan(tmp_path / "app", "github")
    assert before.planned is not None
    with pytest.raises(RefusedError, match="was approved, but"):
        await deployments.deploy("app", before.planned.digest, by="test")
    assert (hub.writes, hub.pushes) == ([], 0)


@pytest.mark.parametrize(
    ("method", "end", "status", "said"),
    [
        ("POST", "/user/repos", 500, "GitHub fails with 500"),
        ("POST", "/user/repos", 403, "the token may not do that"),
        ("POST", "/user/repos", 429, "rate limit"),
        (
            "POST",
            "/user/repos",
            CUT,
            "GitHub does not answer (POST /user/repos): RemoteProtocolError",
        ),
        ("POST", "/user/repos", SLOW, "GitHub does not answer (POST /user/repos): ReadTimeout"),
        (
            "POST",
            "/pages",
            500,
            "Done before that: the repository me/site is there, its branch main is at",
        ),
    ],
)
async def test_trouble_is_said_with_what_was_done_and_gone_on_from(
    hub: GitHubDouble, deployments: Deployments, tmp_path: Path, method: str, end: str, status: int, said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    if status == SLOW:
        monkeypatch.setattr(rest_api, "REQUEST_SECONDS", 3.0)
    commit(tmp_path / "site", index_html=PAGE)
    hub.site, hub.trouble = PAGE, {(method, end): [status]}
    failed = await deployed(deployments, tmp_path / "site", "pages", seconds=2)
    assert failed.state == "failed"
    assert said in failed.reason
    done = await deployed(deployments, tmp_path / "site", "pages")
    assert done.state == "verified"
    assert (len(hub.repositories), hub.pushes, len(hub.pages)) == (1, 1, 1)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (500, "git push failed"),
        (503, "git push failed"),
        (429, "git push failed"),
        (403, "git push was refused"),
        (SLOW, "git did not end within 3 s"),
        (CUT, "git did not end within 3 s"),  # git itself waits for ever
    ],
    ids=["500", "503", "429", "403", "slow", "taken, and its answer cut"],
)
async def test_trouble_with_a_push_is_said_and_gone_on_from_with_one_push(
    hub: GitHubDouble, deployments: Deployments, tmp_path: Path, status: int, said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    sha = commit(tmp_path / "app", a_py="x = 1\n")
    hub.trouble = {("PUSH", ""): [status]}
    with monkeypatch.context() as patched:
        if status in {SLOW, CUT}:
            patched.setattr(git_push, "PUSH_SECONDS", 3.0)
        failed = await deployed(deployments, tmp_path / "app", seconds=2)
    assert failed.state == "failed"
    assert said in failed.reason
    assert "Done before that: the repository me/app is there" in failed.reason
    assert TOKEN not in failed.reason
    done = await deployed(deployments, tmp_path / "app")
    assert (done.state, head(hub.root, "me/app", "main")) == ("verified", sha)
    assert (len(hub.repositories), hub.pushes) == (1, 1)


async def test_every_wrong_request_that_the_description_can_tell_is_refused(
    hub: GitHubDouble, deployments: Deployments, tmp_path: Path
) -> None:
    """Each request of a whole deployment is made wrong in each way: its path, its query, each member of its body."""
    commit(tmp_path / "site", index_html=PAGE)
    hub.site = PAGE
    assert (await deployed(deployments, tmp_path / "site", "pages")).state == "verified"
    assert len(hub.asked) > 8
    told = 0
    for method, path, query, body in hub.asked:
        assert hub.openapi.faults(method, path, query, body) == []
        for wrong in wrong_ones(hub.openapi, method, path, query, body):
            assert hub.openapi.faults(*wrong), wrong
            told += 1
    assert told > 40


async def test_a_revoked_token_is_named_and_not_shown(
    hub: GitHubDouble, deployments: Deployments, tmp_path: Path
) -> None:
    commit(tmp_path / "app", a_py="x = 1\n")
    plan = await deployments.plan(tmp_path / "app", "github")
    hub.token = "ghp_" + "another" * 6
    with pytest.raises(UnauthorizedError, match="wrong, expired or revoked") as refused:
        await deployments.plan(tmp_path / "app", "github")
    assert TOKEN not in str(refused.value)
    assert plan.planned is not None
    done = await deployments.deploy("app", plan.planned.digest, by="test", seconds=1)
    assert (done.state, hub.pushes) == ("failed", 0)


async def test_the_token_is_in_no_file_argument_or_variable(
    hub: GitHubDouble,
    deployments: Deployments,
    tmp_path: Path,
    atos_home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen, run = list[str](), process_group.run_in_group

    def noted(command: list[str], environment: dict[str, str], *more: Any, **others: Any) -> Any:
        seen.append(f"{command} {environment}")
        return run(command, environment, *more, **others)

    monkeypatch.setattr(git_push, "run_in_group", noted)
    commit(tmp_path / "app", a_py="x = 1\n")
    assert (await deployed(deployments, tmp_path / "app")).state == "verified"
    monkeypatch.undo()
    assert any("push" in each for each in seen)
    assert not [each for each in seen if TOKEN in each]
    kept = files_below(atos_home)
    assert len(kept) > 5
    assert not [path for path in kept if TOKEN.encode() in path.read_bytes()]
    assert TOKEN not in git(hub.root / "me" / "app.git", "config", "--list")


@pytest.mark.parametrize("point", [CREATED, PUSHED, ASKED])
async def test_who_is_killed_after_a_step_goes_on_and_makes_nothing_twice(
    hub: GitHubDouble, deployments: Deployments, tmp_path: Path, atos_home: Path, point: str
) -> None:
    sha = commit(tmp_path / "site", index_html=PAGE)
    hub.site = PAGE
    plan = await deployments.plan(tmp_path / "site", "pages")
    assert plan.planned is not None
    given = [str(atos_home), hub.url, str(tmp_path / "token"), plan.planned.digest]
    command = [sys.executable, "-c", DEPLOY, *given]
    killed = await anyio.run_process(
        command, check=False, env={**os.environ, "ATOS_CRASHPOINT": point}
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    interrupted = deployments.journals.known("site").read()
    assert (interrupted.state, interrupted.live) == ("approved", None)

    done = await deployments.deploy("site", plan.planned.digest, by="test", seconds=10)

    assert done.state == "verified"
    assert hub.writes == [
        "POST /user/repos",
        "POST /repos/me/site/pages",
        f"POST /repos/me/site/statuses/{sha}",
    ]
    assert (len(hub.repositories), hub.pushes) == (1, 1)


DEPLOY = """
import sys
from pathlib import Path
import anyio
from atos_protocol.settings import load_settings
from atos_servers.deployment.deployments import Deployments
from atos_servers.deployment.journal import Journals
from atos_servers.deployment.targets.github import GitHub

home, url, token, digest = sys.argv[1:]
load_settings().prepare()
made = Deployments(Journals(Path(home) / "deployments"), {"pages": GitHub(url, token, pages=True)})
anyio.run(lambda: made.deploy("site", digest, by="test"))
"""


async def test_pages_without_a_page_are_refused_before_anything_is_sent(
    hub: GitHubDouble, deployments: Deployments, tmp_path: Path
) -> None:
    commit(tmp_path / "app", a_py="x = 1\n")
    with pytest.raises(AtosError, match=r"Pages serves index\.html"):
        await deployments.plan(tmp_path / "app", "pages")
    (tmp_path / "plain").mkdir()
    with pytest.raises(AtosError, match="is no git repository"):
        await deployments.plan(tmp_path / "plain", "github")
    assert hub.writes == []
