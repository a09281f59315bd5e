"""Wrong code that tries to be taken for right: none is accepted with a plain ok, on either policy and level."""

from pathlib import Path

import pytest

from atos_servers.code_runner.runner import PytestRun, Runner
from atos_servers.code_runner.sandbox_probe import Policy
from doubles.report_cheats import CHEATS, DECIDED_BY_CODE, HONEST, TESTS, Cheat

pytestmark = pytest.mark.timeout(120)
NOT_ACCEPTED = {"failed", "unconfirmed", "error", "incomplete", "tampered", "timeout", "no_tests"}


async def judged(
    runner: Runner, folder: Path, cheat: Cheat, policy: Policy = "general"
) -> PytestRun:
    (folder / "test_impl.py").write_text(TESTS[cheat.tests])
    (folder / "impl.py").write_text(cheat.code)
    return await runner.tests(folder, [folder], policy=policy, seconds=cheat.seconds)


def test_there_are_thirty_cheats_that_were_accepted_before_code_and_tests_were_kept_apart() -> None:
    assert sum(not cheat.held_before for cheat in CHEATS.values()) >= 30


@pytest.mark.parametrize("name", [name for name, cheat in CHEATS.items() if not cheat.held_before])
async def test_a_cheat_is_not_accepted_with_a_plain_ok(
    name: str, best_runner: Runner, workspace: Path
) -> None:
    cheat = CHEATS[name]
    run = await judged(best_runner, workspace, cheat)
    assert run.judgement.state in NOT_ACCEPTED, run.judgement.digest


# What a verdict rests on is the same on each level; that they confine is what test_sandbox_attacks.py proves.
@pytest.mark.long
@pytest.mark.parametrize("name", [name for name, cheat in CHEATS.items() if not cheat.held_before])
async def test_a_cheat_is_not_accepted_with_a_plain_ok_on_any_level(
    name: str, runner: Runner, workspace: Path
) -> None:
    cheat = CHEATS[name]
    run = await judged(runner, workspace, cheat)
    assert run.judgement.state in NOT_ACCEPTED, run.judgement.digest


@pytest.mark.parametrize("name", [name for name, cheat in CHEATS.items() if cheat.held_before])
async def test_a_cheat_that_was_refused_before_is_refused(
    name: str, best_runner: Runner, workspace: Path
) -> None:
    cheat = CHEATS[name]
    run = await judged(best_runner, workspace, cheat)
    assert run.judgement.state in NOT_ACCEPTED - {"unconfirmed"}, run.judgement.digest


@pytest.mark.parametrize("name", CHEATS)
async def test_a_cheat_is_not_accepted_under_the_catalogue_policy(
    name: str, best_runner: Runner, workspace: Path
) -> None:
    cheat = CHEATS[name]
    run = await judged(best_runner, workspace, cheat, "catalogue")
    assert run.judgement.state in NOT_ACCEPTED - {"unconfirmed"}, run.judgement.digest


@pytest.mark.parametrize("tests", HONEST)
async def test_honest_code_passes_the_tests_that_the_cheats_are_made_for(
    tests: str, best_runner: Runner, workspace: Path
) -> None:
    run = await judged(best_runner, workspace, Cheat(tests, HONEST[tests]))
    wanted = "unconfirmed" if tests in DECIDED_BY_CODE else "passed"
    assert run.judgement.state == wanted, run.judgement.digest
