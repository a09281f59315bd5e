"""One run of the official conformance suite against one address, and what it found."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from conformance.npm_packages import FOLDER, program
from toolchain import Node, StepFailedError, run

Release = Literal["stable", "alpha"]
SELECTED: Mapping[Release, tuple[str, ...]] = {
    "stable": ("--suite", "all"),
    "alpha": ("--requirements", "2026-07-28"),
}
FAILED = "FAILURE"
RUN_SECONDS = 240.0
AUTHORIZE = Path(__file__).with_name("authorize.mjs")


@dataclass(frozen=True, slots=True)
class Found:
    """The checks of one scenario."""

    scenario: str
    passed: int
    failed: tuple[str, ...]
    """Ids of the checks that failed."""
    said: str = ""
    """What the first of them said."""


def run_suite(node: Node, release: Release, title: str, url: str, token: str) -> list[Found]:
    """Run all scenarios of a release against a server; return what was found, by scenario.

    Raises:
        StepFailedError: the suite itself did not work.
    """
    results = FOLDER / "results" / f"{release}-{title}"
    shutil.rmtree(results, ignore_errors=True)
    suite = program(f"conformance-{release}", "dist/index.js")
    words = [node.bin / "node", "--import", AUTHORIZE, suite, "server", "--url", url]
    environ = node.environ(ATOS_TOKEN=token)
    command = [*words, *SELECTED[release], "-o", results]
    said = ""
    try:
        run(f"{release}: {title}", command, environ=environ, deadline=RUN_SECONDS)
    except (
        StepFailedError
    ) as error:  # its exit status says that a check failed, which is judged here
        said = str(error)
    found = sorted(read_results(results), key=lambda each: each.scenario)
    if not found:
        message = f"{release} against {title} has no results\n{said}"
        raise StepFailedError(message)
    return found


def read_results(folder: Path) -> Iterator[Found]:
    """Read `server-SCENARIO-TIME/checks.json` of each scenario."""
    for file in folder.glob("*/checks.json"):
        checks = cast("list[dict[str, Any]]", json.loads(file.read_text(encoding="utf-8")))
        scenario = file.parent.name.removeprefix("server-").rpartition("-20")[0]
        failed = [check for check in checks if check["status"] == FAILED]
        passed = sum(check["status"] == "SUCCESS" for check in checks)
        said = str(failed[0].get("errorMessage", "")) if failed else ""
        yield Found(scenario, passed, tuple(check["id"] for check in failed), said)
