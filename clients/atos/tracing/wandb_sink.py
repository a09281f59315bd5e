"""A goal as a run of Weights & Biases: metrics of its tasks, models, loads and waits, by its own client.

Offline by default: the run is a folder that `wandb sync` sends when the person wants it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import wandb
from wandb.errors import Error

from atos.tracing.spans import Span
from atos.tracing.totals import steps_of, totals_of
from atos_protocol.errors import UnreachableError

ANSWER_SECONDS, SEND_SECONDS = 20.0, 60.0
"""How long W&B may take to begin a run, and to take the rest."""
Mode = Literal["offline", "online"]


def send(spans: Sequence[Span], goal: str, folder: Path, mode: Mode = "offline") -> Path:
    """Write a goal as a run; return the run's folder.

    Args:
        spans: of the goal.
        goal: its id; also the run's, so that what is sent twice is one run.
        folder: where W&B keeps runs.
        mode: `online` sends it at once, with the person's own W&B login.

    Raises:
        UnreachableError: W&B did not take it in time.
    """
    try:
        return _written(spans, goal, folder, mode)
    except Error as error:
        message = f"W&B did not take the run: {error}"
        step = "Is it up, and are you logged in? Without `:online` it is kept here."
        raise UnreachableError(message, next_step=step) from error


def _written(spans: Sequence[Span], goal: str, folder: Path, mode: Mode) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("WANDB_SILENT", "true")
    settings = wandb.Settings(
        disable_git=True, disable_code=True, save_code=False, console="off", x_disable_meta=True,
        x_disable_stats=True, x_disable_machine_info=True, x_save_requirements=False, host="",
        init_timeout=ANSWER_SECONDS, finish_timeout=SEND_SECONDS, finish_timeout_raises=True,
    )  # fmt: skip
    run = wandb.init(
        project=os.environ.get("WANDB_PROJECT", "atos"), id=goal, name=goal, dir=folder, mode=mode,
        job_type="goal", settings=settings,
    )  # fmt: skip
    try:
        for step in steps_of(spans):
            run.log(step)
        summary: Any = run.summary  # it has no types
        summary.update(totals_of(spans))
        return Path(run.dir).parent
    finally:
        run.finish()
