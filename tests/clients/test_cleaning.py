"""`atos-client clean`, through host and worker, while both run; and the words that it uses."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from atos.cli.cleaning import report_lines, seconds_of
from atos.cli.daemons import records_lines
from atos_protocol.errors import BadRequestError
from atos_protocol.records import CleanReport, CleanRequest, clean_request
from doubles.installation import Installation

GOAL = "Write a Python function to add two numbers"


@pytest.fixture(scope="module")
def atos() -> Iterator[Installation]:
    installation = Installation()
    yield installation
    installation.close()


@pytest.mark.timeout(120)
def test_an_ended_goal_goes_with_its_records_and_its_repository_stays(atos: Installation) -> None:
    built = json.loads(atos.run("build", GOAL, "--json").stdout.splitlines()[-1])

    young = json.loads(atos.run("clean", "--json").stdout)
    dry = json.loads(atos.run("clean", "--older-than", "0d", "--dry-run", "--json").stdout)
    done = atos.run("clean", "--older-than", "0d")
    goals = json.loads(atos.run("status", "--json").stdout)["goals"]
    again = atos.run("clean", "--goal", built["id"])

    assert (young["goals"], dry["goals"], dry["dry_run"]) == (0, 1, True)
    assert dry["bytes"] > 5_000
    assert done.stdout.startswith("removed the records of 1 goal, ")
    assert goals == []
    assert (again.returncode, "there is no goal" in again.stderr) == (2, True)
    assert (Path(built["repository"]) / "README.md").exists()


def test_an_age_is_days_hours_or_minutes() -> None:
    assert [seconds_of(age) for age in ("30d", "12h", "1.5m")] == [2_592_000.0, 43_200.0, 90.0]
    for wrong in ("", "30", "d", "-1d", "1w", "nand"):
        with pytest.raises(BadRequestError):
            seconds_of(wrong)


def test_the_report_says_what_stays_and_what_to_do_about_it() -> None:
    report = CleanReport(goals=2, bytes=2048, need_help=1, unpublished=3)

    assert report_lines(report, dry_run=True) == [
        "would remove the records of 2 goals, 2 KiB; repositories stay",
        "1 may still go on and stay: see atos-client status, or remove one: atos-client clean --goal GOAL",
        "3 hold work that is nowhere else and stay: publish it: atos-client retry GOAL",
    ]


def test_the_status_says_what_a_goal_takes_where_that_was_counted() -> None:
    assert records_lines({"records": {"goals": 40, "bytes": 409_600}}) == [
        "goals      40 goals, 400 KiB in the database (10 KiB a goal)"
    ]
    assert records_lines({"records": {"goals": 1, "bytes": 258_048}}) == [
        "goals      1 goal, 252 KiB in the database"
    ]
    assert records_lines({}) == ["goals"]


def test_a_request_with_unfit_fields_is_refused() -> None:
    assert clean_request({"op": "clean", "goal": "g1", "dry_run": True}) == CleanRequest(
        goal="g1", dry_run=True
    )
    for wrong in ({"goal": 1}, {"older_than": "30"}, {"older_than": -1}, {"after": 1.5}):
        with pytest.raises(BadRequestError):
            clean_request(wrong)
