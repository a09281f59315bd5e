"""The shipped weights: whole, small, and good enough for the first goals through the real engine."""

import hashlib
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest
from gguf import GGUFReader

from atos_mini_training.engine import open_model
from atos_mini_training.evaluate import outcome
from atos_orchestrator.strategies.mini import catalogue, dialect
from atos_orchestrator.strategies.mini.scope import Scope, check
from atos_orchestrator.strategies.mini.strategy import PARAMETERS
from doubles.mini_plan import parse_plan
from doubles.tiny_gguf import write_random

WEIGHTS = Path(str(files("atos_scheduler.engines") / "weights" / "atos-mini.gguf"))


def test_the_weights_match_their_checksum_and_are_small() -> None:
    digest, name = WEIGHTS.with_name("atos-mini.gguf.sha256").read_text().split()

    assert name == WEIGHTS.name
    assert hashlib.sha256(WEIGHTS.read_bytes()).hexdigest() == digest
    assert WEIGHTS.stat().st_size <= 8_000_000


def test_the_number_of_parameters_is_the_one_that_is_announced() -> None:
    parameters = sum(int(tensor.n_elements) for tensor in GGUFReader(WEIGHTS).tensors)

    assert f"{parameters / 1e6:.1f} million" == PARAMETERS


@pytest.mark.timeout(60)
def test_the_model_plans_and_writes_the_first_goals() -> None:
    goals = (
        "Write a Python function to add two numbers",
        "Build a text toolkit: count words, reverse a string, check palindromes",
    )

    with open_model(WEIGHTS) as ask:
        for goal in goals:
            scope = check(goal)
            assert isinstance(scope, Scope)
            plan = parse_plan(ask(dialect.plan_prompt(scope)))
            assert plan == parse_plan(dialect.plan_reply(scope.wanted))
            for one in scope.wanted:
                assert outcome(ask(dialect.code_prompt(one)), one) == "right"


@pytest.mark.timeout(60)
def test_pytest_accepts_a_module_that_the_model_wrote(tmp_path: Path) -> None:
    scope = check("add two numbers")
    assert isinstance(scope, Scope)
    one = scope.wanted[0]

    with open_model(WEIGHTS) as ask:
        answer = dialect.parse_code(ask(dialect.code_prompt(one)))
    (tmp_path / "add.py").write_text(answer.code)
    (tmp_path / "test_acceptance.py").write_text(catalogue.acceptance_test(one))
    command = [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, timeout=30, check=False)

    assert done.returncode == 0


@pytest.mark.timeout(60)
def test_random_weights_in_its_place_are_wrong_about_everything(tmp_path: Path) -> None:
    scope = check("Build a text toolkit: count words, reverse a string, check palindromes")
    assert isinstance(scope, Scope)

    with open_model(write_random(tmp_path / "random.gguf")) as ask:
        plan = ask(dialect.plan_prompt(scope))
        verdicts = {outcome(ask(dialect.code_prompt(one)), one) for one in scope.wanted}

    assert verdicts == {"wrong"}
    with pytest.raises(dialect.ReplyError):
        parse_plan(plan)
