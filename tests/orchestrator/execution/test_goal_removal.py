"""What is kept of ended goals is removed whole or not at all, and nothing else is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy as sa

from atos_orchestrator.execution.database_space import used_bytes
from atos_orchestrator.execution.goal_acceptance import GoalAcceptance
from atos_orchestrator.execution.goal_input import PLAN, GoalInput
from atos_orchestrator.execution.goal_removal import REMOVALS
from atos_orchestrator.execution.retention import NEWEST
from atos_orchestrator.execution.run_records import PAYLOADS
from atos_protocol.errors import ConflictError, NotFoundError
from atos_protocol.records import DAY, CleanReport, CleanRequest
from doubles.kept_goals import KeptGoals
from doubles.temporary_postgres import Postgres, temporary_postgres

pytestmark = pytest.mark.timeout(90)
TESTS = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with temporary_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def kept(
    request: pytest.FixtureRequest, atos_home: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[KeptGoals]:
    """A fresh database of either kind, without a worker."""
    with ExitStack() as stack:
        if request.param == "postgres":
            server: Postgres = request.getfixturevalue("postgres")
            monkeypatch.setenv("ATOS_DATABASE_URL", server.new_database())
        made = KeptGoals()
        stack.callback(made.engine.dispose)
        yield made


def all_of(*goals: str) -> dict[str, set[str]]:
    """Return the rows of goals with one run and one task."""
    runs = {run for goal in goals for run in (goal, f"{goal}:T1")}
    tables = {name: runs for name, _ in PAYLOADS} | {"workflow_output": set[str]()}
    return {"events": set(goals), **tables, "removals": set[str]()}


def test_a_removed_goal_leaves_no_row_and_no_file_and_others_stay(kept: KeptGoals) -> None:
    kept.add("g1", resumed=True)
    kept.add("g10")
    kept.add("g2")
    (end,) = kept.removal.ends(goal="g1")

    expected = kept.removal.size("g1")
    size = kept.removal.remove(end)

    assert size == expected > 12 * 500
    assert kept.rows() == all_of("g10", "g2")
    assert kept.files() == {"g10", "g2", "g10.md", "g2.md"}


def test_what_ended_long_ago_is_removed_and_what_may_go_on_is_kept(kept: KeptGoals) -> None:
    kept.add("old", days=31)
    kept.add("failed", state="failed", days=40)
    kept.add("helpless", state="needs_help", days=50)
    kept.add("young", days=29)
    kept.add("at-work", state="", days=60, run="PENDING")
    kept.add("hidden", days=70)
    (kept.settings.home / "worktrees" / "hidden" / "unpublished").touch()
    request = CleanRequest(older_than=30 * DAY)

    dry = kept.clean(CleanRequest(older_than=30 * DAY, dry_run=True))
    before = kept.goals()
    report = kept.clean(request)

    assert (dry.goals, dry.need_help, dry.unpublished, dry.next) == (2, 1, 1, 0)
    assert before == ["at-work", "failed", "helpless", "hidden", "old", "young"]
    assert report == dry
    assert kept.goals() == ["at-work", "helpless", "hidden", "young"]
    assert kept.clean(request) == CleanReport(need_help=1, unpublished=1)


def test_a_goal_that_is_named_goes_whatever_its_age_and_only_if_nothing_is_lost(
    kept: KeptGoals,
) -> None:
    kept.add("helpless", state="needs_help")
    kept.add("at-work", state="", run="PENDING")
    kept.add("ending", run="PENDING")
    kept.add("hidden")
    (kept.settings.home / "worktrees" / "hidden" / "unpublished").touch()
    retention = kept.retention()

    report = retention.clean(CleanRequest(goal="helpless"))

    assert report.goals == 1
    for goal, error, words in (
        ("helpless", NotFoundError, "no goal"),
        ("at-work", ConflictError, "not ended"),
        ("ending", ConflictError, "cleans up"),
        ("hidden", ConflictError, "nowhere else"),
    ):
        with pytest.raises(error, match=words):
            retention.clean(CleanRequest(goal=goal))
    assert kept.goals() == ["at-work", "ending", "hidden"]


async def test_the_automatic_limit_by_age_spares_the_newest(kept: KeptGoals) -> None:
    for number in range(NEWEST + 3):
        kept.add(f"g{number:02}", days=100)

    report = await kept.retention(keep_days=90.0, keep_bytes=0).keep_limits()

    assert report.goals == 3
    assert kept.goals() == [f"g{n:02}" for n in range(3, NEWEST + 3)]


async def test_the_limit_by_size_removes_the_oldest_until_it_is_kept(kept: KeptGoals) -> None:
    for number in range(NEWEST + 10):
        kept.add(f"g{number:02}", texts=20)
    kept.add("g99", state="needs_help")
    total = kept.removal.total()
    share = kept.removal.size("g00")
    limit = total - 4 * share

    untouched = await kept.retention(keep_days=0.0, keep_bytes=10 * total).keep_limits()
    report = await kept.retention(keep_days=0.0, keep_bytes=limit).keep_limits()

    assert untouched == CleanReport()
    assert report.goals == 4 or report.goals == 5
    assert kept.removal.total() <= limit
    assert kept.goals()[0] == f"g{report.goals:02}"


def test_a_goal_that_goes_on_meanwhile_is_not_removed(kept: KeptGoals) -> None:
    kept.add("g1", state="failed")
    (end,) = kept.removal.ends(goal="g1")
    kept.events.append("g1", "goal_resumed", {}, key="resumed")

    assert kept.removal.remove(end) is None
    assert kept.rows() == all_of("g1")


def test_a_goal_that_is_removed_meanwhile_does_not_go_on(kept: KeptGoals) -> None:
    kept.add("g1", state="failed")
    kept.removal.remove(kept.removal.ends(goal="g1")[0])
    acceptance = GoalAcceptance(kept.engine, kept.events, kept.client)
    again = GoalInput("g1", "Do it", "do-it", "general", 1.0, revision=2)

    assert not acceptance.accept(again, "goal_resumed", {}, "resumed:2")
    assert kept.rows() == all_of()


def test_old_plans_are_removed_too(kept: KeptGoals) -> None:
    with kept.removal.engine.begin() as connection:
        kept.add_run(connection, "plan-1", PLAN, None, "SUCCESS")

    kept.clean(CleanRequest(older_than=DAY))
    young = kept.rows()["workflow_status"]
    kept.clean(CleanRequest())

    assert young == {"plan-1"}
    assert kept.rows() == all_of()


def test_files_that_an_interrupted_removal_left_are_deleted_by_the_next_one(
    kept: KeptGoals,
) -> None:
    kept.add("g1")
    kept.add("g2")
    with kept.removal.engine.begin() as connection:
        connection.execute(sa.insert(REMOVALS).values(goal="g1"))
        connection.execute(sa.delete(sa.table("atos_events")).where(sa.column("goal") == "g1"))

    assert kept.removal.finish() == 1
    assert kept.files() == {"g2", "g2.md"}
    assert kept.rows()["removals"] == set()


def test_a_file_that_can_not_be_deleted_ends_nobody_and_is_tried_again(
    kept: KeptGoals, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    kept.add("g1")
    with monkeypatch.context() as denied:
        denied.setattr(Path, "unlink", refuse)
        kept.clean(CleanRequest())
        kept.removal.finish()
        left = kept.goals(), kept.rows()["removals"], kept.files()
    kept.removal.finish()

    assert left == ([], {"g1"}, {"g1.md"})
    assert (kept.rows(), kept.files()) == (all_of(), set[str]())


def test_an_id_that_is_a_path_leads_nowhere(kept: KeptGoals) -> None:
    kept.add("g1")
    with kept.removal.engine.begin() as connection:
        connection.execute(sa.insert(REMOVALS).values(goal="../worktrees/g1"))

    kept.removal.finish()

    assert kept.files() == {"g1", "g1.md"}


def test_a_removal_that_is_killed_at_any_moment_is_finished_by_the_next(kept: KeptGoals) -> None:
    goals = [f"g{n:03}" for n in range(40)]
    for goal in goals:
        kept.add(goal, days=2, texts=1)
    kept.add("young")
    command = [sys.executable, "-m", "doubles.clean_process"]
    kills = 0
    for pause in (0.0, 0.02, 0.1):
        cleaner = subprocess.Popen(
            command, env={**os.environ, "PYTHONPATH": str(TESTS)}, stdout=subprocess.PIPE
        )
        assert cleaner.stdout is not None
        cleaner.stdout.readline()  # it begins
        time.sleep(pause)
        cleaner.send_signal(signal.SIGKILL)
        kills += cleaner.wait() == -signal.SIGKILL
        cleaner.stdout.close()
        shown = set(kept.goals())
        rows = kept.rows()
        assert rows["events"] == shown, "a goal is there, or it is not"
        assert {run.partition(":")[0] for run in rows["workflow_status"]} == shown

    assert kills >= 1
    kept.clean(CleanRequest(older_than=DAY))
    assert kept.rows() == all_of("young")
    assert kept.files() == {"young", "young.md"}


def test_a_file_gives_its_space_back(atos_home: Path) -> None:
    kept = KeptGoals()
    file = kept.settings.state / "atos.sqlite"
    for number in range(8):
        kept.add(f"g{number}", texts=200)
    kept.checkpoint()
    full, used = file.stat().st_size, used_bytes(kept.engine)

    kept.clean(CleanRequest())

    assert used_bytes(kept.engine) < used / 3
    assert file.stat().st_size < full / 3
    kept.engine.dispose()


def test_a_file_of_an_earlier_version_is_written_anew_only_when_nothing_is_at_work(
    atos_home: Path,
) -> None:
    kept = KeptGoals()
    file = kept.settings.state / "atos.sqlite"
    with kept.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA auto_vacuum=NONE")
        connection.exec_driver_sql("VACUUM")
    for number in range(12):
        kept.add(f"g{number}", texts=200)
    kept.add("at-work", state="", run="PENDING")
    kept.checkpoint()
    full = file.stat().st_size

    kept.clean(CleanRequest())
    kept.checkpoint()
    busy = file.stat().st_size
    kept.clean(CleanRequest())
    kept.events.append("at-work", "goal_finished", {"state": "cancelled"}, key="end")
    kept.retention().give_back()

    assert busy >= full
    assert file.stat().st_size < full / 3
    kept.engine.dispose()
