"""`make test-conformance`: the official MCP conformance suite, newest stable and newest alpha, against ATOS.

Everything runs against the fixture server, which has what the suite calls and is built as the real servers are.
Against each real server count the scenarios that need no fixtures. A check that fails and does not stand in
`expected_failures.yml`, or one that stands there and passes, fails the run.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path

import yaml

from atos_protocol.host_protocol import SERVERS
from conformance.fixture_server import with_own_origin
from conformance.npm_packages import install
from conformance.suite_run import SELECTED, Found, Release, run_suite
from doubles.host_process import host_process
from toolchain import Node, StepFailedError

EXPECTED = Path(__file__).with_name("expected_failures.yml")
FREE = frozenset({
    "server-initialize", "server-session-lifecycle", "ping", "logging-set-level", "tools-list",
    "resources-list", "prompts-list", "caching", "http-header-validation",
    "dns-rebinding-protection", "sep-2164-resource-not-found",
})  # fmt: skip
"""Scenarios that need no fixtures."""
FIXTURE = "fixture"

Known = Mapping[str, Mapping[str, Mapping[str, str]]]
"""Release -> `fixture` or `servers` -> scenario -> why it fails."""


def unexpected(found: Iterable[Found], known: Mapping[str, str]) -> list[str]:
    """Return what is not as it is known: new failures, and known ones that pass now."""
    ran = {each.scenario: each for each in found}
    news = [
        f"{each.scenario}: {', '.join(each.failed)}: {each.said[:300]}"
        for each in ran.values()
        if each.failed and each.scenario not in known
    ]
    stale = [
        f"{name}: passes now, take it out of {EXPECTED.name}"
        for name in known
        if name in ran and not ran[name].failed
    ]
    return news + stale


def judged(title: str, found: list[Found], known: Mapping[str, str]) -> list[str]:
    """Print one line of figures; return what was not expected."""
    passed = sum(each.passed for each in found)
    failed = sum(len(each.failed) for each in found)
    wrong = unexpected(found, known)
    print(
        f"  {title}: {len(found)} scenarios, {passed} checks passed, {failed} failed,"
        f" {len(wrong)} unexpected",
        flush=True,
    )
    return [f"{title}: {line}" for line in wrong]


@contextmanager
def fixture_server() -> Generator[tuple[str, str]]:
    """Serve the fixtures; gives address and token."""
    command = [sys.executable, "-m", "conformance.fixture_server"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            message = "the fixture server did not start"
            raise StepFailedError(message)
        url, token = line.split()
        yield url, token
        process.communicate()  # closes its stdin, which ends it


def check(node: Node, known: Known) -> list[str]:
    """Run everything; return what was not expected."""
    wrong: list[str] = []
    releases: tuple[Release, ...] = tuple(SELECTED)
    with fixture_server() as (url, token):
        for release in releases:
            found = run_suite(node, release, FIXTURE, url, token)
            wrong += judged(f"{release}, {FIXTURE}", found, known[release][FIXTURE])
    with host_process(**with_own_origin()) as host:
        host.ensure()
        for name in SERVERS:
            for release in releases:
                url = host.url(name, "mcp")
                everything = run_suite(node, release, name, url, host.token)
                found = [each for each in everything if each.scenario in FREE]
                wrong += judged(f"{release}, {name}", found, known[release]["servers"])
    return wrong


def main() -> int:
    """Run the checks; return the exit status."""
    known: Known = yaml.safe_load(EXPECTED.read_text(encoding="utf-8"))
    try:
        wrong = check(install(), known)
    except StepFailedError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    print("\n".join([*wrong, f"conformance: {len(wrong)} unexpected"]))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
