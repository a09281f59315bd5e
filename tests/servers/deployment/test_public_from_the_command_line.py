"""A public deployment as the person makes it: the real command line, host and git, and a stand-in for GitHub."""

import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from doubles.git_http import head
from doubles.github import TOKEN, GitHubDouble, github
from doubles.host_process import HostProcess, host_process
from doubles.terminal import Terminal

pytestmark = pytest.mark.timeout(120)

WHO = ["-c", "user.name=me", "-c", "user.email=me@localhost"]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Generator[GitHubDouble]:
    with github(tmp_path_factory.mktemp("hub")) as double:
        yield double
        assert double.wrong == []


@pytest.fixture(scope="module")
def host(hub: GitHubDouble, tmp_path_factory: pytest.TempPathFactory) -> Generator[HostProcess]:
    token = tmp_path_factory.mktemp("keys") / "token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    with host_process(ATOS_GITHUB_URL=hub.url, ATOS_GITHUB_TOKEN_FILE=str(token)) as host:
        yield host


def client(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "atos.cli.main", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)


def repository(folder: Path) -> Path:
    folder.mkdir()
    (folder / "index.html").write_text("<h1>hello</h1>")
    for command in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "hello"]):
        subprocess.run(["git", "-C", folder, *WHO, *command], check=True)
    return folder


def test_nothing_is_public_without_the_digest_of_what_goes_out(
    hub: GitHubDouble, host: HostProcess
) -> None:
    source = repository(host.person / "site")
    hub.site = "<h1>hello</h1>"

    asked = client("deploy", str(source), "pages", "--yes")

    assert asked.returncode == 4, asked.stderr
    assert "! public: everybody can read it, copy it and keep it" in asked.stdout
    assert "creates the public repository me/site" in asked.stdout
    assert "it is public, and --yes is for local" in asked.stderr
    assert (hub.writes, hub.pushes) == ([], 0)
    assert client("deploy", str(source), "pages", "--approve", "0" * 12).returncode == 4
    assert (hub.writes, hub.pushes) == ([], 0)

    digest = asked.stderr.split("--approve ")[1].split()[0]
    done = client("deploy", str(source), "pages", "--approve", digest)

    assert done.returncode == 0, done.stderr + done.stdout
    assert f"✓ site  verified  pages  {hub.url}/sites/me/site/" in done.stdout
    assert (
        head(hub.root, "me/site", "main")
        in subprocess.run(
            ["git", "-C", source, "rev-parse", "HEAD"], capture_output=True, text=True, check=True
        ).stdout
    )
    logs = client("deployments", "logs", "site")
    assert "POST /user/repos: 201" in logs.stdout


@pytest.mark.parametrize("answer", ["n", "", "changed"])
def test_a_person_who_denies_or_whose_plan_has_changed_meanwhile_sends_nothing(
    hub: GitHubDouble, host: HostProcess, answer: str
) -> None:
    source = repository(host.person / f"denied{answer}")
    before = (list(hub.writes), hub.pushes)
    command = [sys.executable, "-m", "atos.cli.main", "deploy", str(source), "github"]
    with Terminal(command, os.environ, columns=200) as terminal:
        terminal.until("Make it public? [y/N] ")
        if answer == "changed":
            (source / "index.html").write_text("<h1>another</h1>")
            subprocess.run(["git", "-C", source, *WHO, "commit", "-qam", "another"], check=True)
            assert client("deploy", str(source), "github", "--dry-run").returncode == 0
        terminal.type("y" if answer == "changed" else answer)
        status = terminal.ended()
    assert status == (4 if answer != "changed" else 1), terminal.seen
    assert ("was approved, but" in terminal.seen) == (answer == "changed"), terminal.seen
    assert (hub.writes, hub.pushes) == before


def test_the_token_shows_nowhere(hub: GitHubDouble, host: HostProcess) -> None:
    source = repository(host.person / "secretive")
    shown = client("deploy", str(source), "github", "--dry-run").stdout
    hub.token = "ghp_" + "another" * 6
    try:
        refused = client("deploy", str(source), "github", "--dry-run")
    finally:
        hub.token = TOKEN
    assert "GitHub refuses the token" in refused.stderr
    texts = [shown, refused.stdout, refused.stderr, client("doctor").stdout]
    kept = [path for path in host.settings.home.rglob("*") if path.is_file()]
    texts += [path.read_bytes().decode(errors="replace") for path in kept]
    for process in Path("/proc").glob("[0-9]*"):
        for name in ("cmdline", "environ"):
            try:
                texts.append((process / name).read_bytes().decode(errors="replace"))
            except OSError:
                continue
    assert [text[:200] for text in texts if TOKEN in text] == []
