"""Judges what was delivered by the hidden tests, in code_runner's sandbox: the code is a model's."""

from __future__ import annotations

import tempfile
from pathlib import Path

from atos_servers.code_runner.runner import Runner
from bench.goal_runs import Arm, Delivery, Files, GoalRun, Outcome, digest_of
from bench.sample_goals import HIDDEN_TEST, GoalVariant, SampleGoal

SECONDS = 35.0
"""Wall time of one judgement: the tests need 1 s, and the machine may be busy."""


class HiddenTests:
    """Runs the hidden tests of sample goals on what a model's arms delivered."""

    def __init__(self, model: str) -> None:
        """Judge runs of this model."""
        self._model = model
        self._runner = Runner()

    async def failures(self, sample: SampleGoal, files: Files) -> str:
        """Return which hidden tests fail on these files, in one line; empty where all pass."""
        if missing := [name for name in sample.modules if name not in files]:
            return f"{', '.join(missing)} missing"
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            for name in sample.modules:  # nothing else: a conftest.py would decide the outcome
                (root / name).write_text(files[name], encoding="utf-8")
            (root / HIDDEN_TEST).write_text(sample.tests, encoding="utf-8")
            run = await self._runner.tests(root, [root], chosen=[HIDDEN_TEST], seconds=SECONDS)
        if run.judgement.state in {"passed", "unconfirmed"}:
            return ""
        failed = [t.id.rpartition("::")[2] for t in run.judgement.tests if t.outcome != "passed"]
        return f"{run.judgement.state}: {', '.join(failed)}"

    async def __call__(
        self, arm: Arm, variant: GoalVariant, seed: int, delivery: Delivery
    ) -> GoalRun:
        """Judge a delivery and its candidates."""
        sample = variant.sample
        failures = await self.failures(sample, delivery.files) if delivery.files else "no files"
        outcome: Outcome = "solved" if not failures else "wrong"
        if delivery.state != "delivered":
            outcome = delivery.state
        reachable = not failures
        for files in delivery.candidates:
            reachable = reachable or not await self.failures(sample, files)
        digest = digest_of(variant)
        return GoalRun(
            self._model, arm, variant.id, seed, digest, outcome, delivery, reachable, failures
        )
