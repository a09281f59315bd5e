"""What others will see, from n8n: a goal goes to GitHub and to Pages, once the person has approved it, and not before.

GitHub is the tests' stand-in: real git, and every request held against GitHub's own description. All else is real.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from host import Host
from real_parts import EXPIRES_S, SECONDS, TOOLKIT, answer, call, commit, expect, tool

from toolchain import CACHE, ROOT

sys.path.insert(0, str(ROOT / "tests"))

from doubles.git_http import head
from doubles.github import TOKEN, GitHubDouble, github

if TYPE_CHECKING:
    from real_atos import Atos

WORKFLOWS = ("goal-approve-deploy.json", "deploy-and-verify.json")
PAGE = "<h1>A text toolkit</h1>\n"
NAMED = "me/a-site-of-its-own"
"""Where Pages is told to go; GitHub takes the deployment's name."""
WAIT_S = 120
UNSEEN_S = 20
"""Seconds that a digest waits which n8n's approver gives and the person at ATOS does not."""


@contextmanager
def stand_in(home: Path) -> Generator[GitHubDouble]:
    """Serve a GitHub for the time of the block."""
    with github(home / "hub") as hub:
        hub.site = PAGE
        yield hub


def settings(hub: GitHubDouble, home: Path) -> dict[str, str]:
    """Return ATOS's settings for that GitHub; the token lies in a file."""
    token = home / "github.token"
    token.touch(mode=0o600)
    token.write_text(TOKEN, encoding="utf-8")
    return {"ATOS_GITHUB_URL": hub.url, "ATOS_GITHUB_TOKEN_FILE": str(token)}


def check_public(hub: GitHubDouble, host: Host, atos: Atos, key: str) -> None:
    """Build, approve, publish, verify, by n8n: denied, expired, unseen and changed send nothing; approved answers.

    Raises:
        StepFailedError: something went out that the person had not approved, or what was does not answer.
    """
    for target in ("github", "pages"):
        print(f"  to {target}:", flush=True)
        _Publication(hub, host, atos, key, target).check()
    expect(not hub.wrong, f"GitHub's description allows all that was asked: {hub.wrong}")
    kept = [path for path in (*host.folder.rglob("*"), CACHE / "n8n.log") if path.is_file()]
    shown = [path.name for path in kept if TOKEN.encode() in path.read_bytes()]
    expect(not shown, f"the token is in no file of n8n: {shown}")


class _Publication:
    """One target, from the goal to what answers."""

    def __init__(self, hub: GitHubDouble, host: Host, atos: Atos, key: str, target: str) -> None:
        self.hub, self.host, self.atos, self.key, self.target = hub, host, atos, key, target

    def check(self) -> None:
        if self.target == "pages":
            self._add_page()
        self._check_denied()
        self._check_expired()
        self._check_unseen()
        self._check_changed()
        self._check_approved()

    def _asked(self) -> int:
        """Return how many requests the stand-in has seen, pushes among them."""
        return len(self.hub.asked) + self.hub.pushes

    def _sent(self) -> tuple[int, int]:
        """Return how many of them changed something."""
        return len(self.hub.writes), self.hub.pushes

    def _ship(self, wait_s: int) -> tuple[int, dict[str, Any]]:
        body = {"goal": TOOLKIT, "target": self.target, "wait_s": wait_s}
        body |= {"destination": NAMED} if self.target == "pages" else {}
        sent = {"idempotency-key": f"public-{self.target}"}
        return call(self.host, self.key, "atos-ship", body, sent)

    def _plan(self, wait_s: int = WAIT_S) -> dict[str, Any]:
        status, told = self._ship(wait_s)
        expect(status == 202 and "--approve" in told.get("next", ""), "planned, and waits")
        return told

    def _repository(self, goal: str) -> Path:
        found = tool(self.atos, "orchestrate", "get_goal", {"goal_id": goal})
        return Path(found["repository"])

    def _add_page(self) -> None:
        """The goal's code has no page, which is said; the person adds one."""
        status, told = self._ship(WAIT_S)
        said = str(told.get("error", {}).get("message"))
        expect(status == 400 and "index.html" in said, f"without a page: {said}")
        newest = tool(self.atos, "orchestrate", "list_goals", {"limit": 1})["goals"][0]
        commit(self._repository(newest["id"]), "index.html", PAGE)

    def _check_denied(self) -> None:
        told, seen = self._plan(), self._asked()
        status, _ = answer(told, "")
        expect((status, self._asked()) == (409, seen), "denied: no request came")

    def _check_expired(self) -> None:
        told, seen = self._plan(EXPIRES_S), self._asked()
        time.sleep(3 * EXPIRES_S)  # an approval in time would be obeyed
        status, _ = answer(told, told["digest"])
        expect(status in {404, 409} and self._asked() == seen, "expired: no request came")

    def _check_unseen(self) -> None:
        told, sent = self._plan(UNSEEN_S), self._sent()
        status, text = answer(told, told["digest"])
        right = status == 409 and "Nobody approved" in text
        expect(right and self._sent() == sent, "not approved at ATOS: nothing was sent")

    def _check_changed(self) -> None:
        told, sent = self._plan(), self._sent()
        commit(self._repository(told["goal"]), "CHANGED.md", f"for {self.target}\n")
        with ThreadPoolExecutor(1) as pool:
            answered = pool.submit(answer, told, told["digest"])
            done = self._approve(told)
            status, text = answered.result()
        expect(done.returncode == 4, f"hash changed: {done.stderr.strip()}")
        right = status == 409 and "planned now is" in text
        expect(right and self._sent() == sent, "and n8n is told; nothing was sent")

    def _approve(self, told: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        """Run the command that the plan tells, as the person does."""
        found = re.search(r"atos-client (deploy .+)", told["next"])
        assert found is not None
        line = [str(ROOT / ".venv" / "bin" / "atos-client"), *shlex.split(found.group(1))]
        return subprocess.run(
            line,
            env=self.atos.environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )

    def _check_approved(self) -> None:
        told, pushes = self._plan(), self.hub.pushes
        with ThreadPoolExecutor(1) as pool:
            answered = pool.submit(answer, told, told["digest"])
            done = self._approve(told)
            status, text = answered.result()
        expect(done.returncode == 0, f"the person approves: {(done.stdout + done.stderr)[-200:]}")
        expect(status == 200 and '"ok":true' in text, "published, verified, and seen from outside")
        self._check_pushed(told, pushes)
        self._check_again(told)

    def _check_pushed(self, told: dict[str, Any], pushes: int) -> None:
        found = re.search(r"--to (\S+)", told["next"])
        assert found is not None
        name, repository = found.group(1), self._repository(told["goal"])
        if self.target == "pages":
            expect(name == NAMED, f"the destination is {NAMED}")
        trees = [_tree(self.hub.root / f"{name}.git", "main"), _tree(repository, "HEAD")]
        right = trees[0] == trees[1] and head(self.hub.root, name, "main")
        expect(right and self.hub.pushes == pushes + 1, f"one push, and {name} has the goal's tree")
        pages = self.hub.writes.count(f"POST /repos/{name}/pages")
        expect(pages == (self.target == "pages"), f"Pages switched on {pages} times")

    def _check_again(self, told: dict[str, Any]) -> None:
        """The workflow that deploys and verifies finds it there, and asks nobody again."""
        sent, repository = self._sent(), self._repository(told["goal"])
        asked = {"repository": str(repository), "digest": told["digest"], "target": self.target}
        status, found = call(self.host, self.key, "atos-deploy", {**asked, "wait_s": WAIT_S})
        right = (status, found.get("ok"), self._sent()) == (200, True, sent)
        expect(right, "deploy and verify: it is there, and nothing is sent again")


def _tree(repository: Path, commit: str) -> str:
    line = ["git", "-C", str(repository), "ls-tree", "-r", commit]
    return subprocess.run(line, capture_output=True, text=True, check=True).stdout
