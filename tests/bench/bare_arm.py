"""The arm to beat: the model asked once, as a person would ask it in a chat.

Seed 0 is greedy; further seeds sample at a low temperature, because greedy has only one answer. The reading
of the reply is lenient on purpose: a closing fence that is missing is added.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from atos.scheduler_client import SchedulerClient
from atos_orchestrator.agents.replies import ReplyError, read_files
from atos_protocol.errors import RepetitionError
from bench.goal_runs import Costs, Delivery, Files
from bench.sample_goals import GoalVariant

SYSTEM = "You are a careful Python programmer."
TEMPERATURE = 0.2
MAX_TOKENS = 1400


def messages_of(variant: GoalVariant) -> list[dict[str, str]]:
    """Return the chat: the goal's own words, and in which form to answer."""
    modules = variant.sample.modules
    form = (
        f"Answer with the complete file {modules[0]} in one ```python fence."
        if len(modules) == 1
        else f"Answer with the complete files {' and '.join(modules)}, each in a ```python fence of "
        "its own with the file's name in the line before it."
    )
    return [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": f"{variant.text}\n\n{form}"},
    ]


def files_in(text: str, modules: Sequence[str]) -> Files:
    """Return the files of a reply; none where one of them can't be found."""
    for whole in (text, f"{text.rstrip()}\n```\n"):
        try:
            return read_files(whole, modules)
        except ReplyError:
            continue
    return {}


async def ask_bare(
    scheduler: SchedulerClient, model: str, variant: GoalVariant, seed: int
) -> Delivery:
    """Ask a model once; a reply that repeats itself is a failure, whose tokens nobody has counted."""
    start = time.monotonic()
    try:
        answer = await scheduler.chat(
            model,
            messages_of(variant),
            max_tokens=MAX_TOKENS,
            temperature=TEMPERATURE if seed else 0.0,
            seed=seed,
        )
    except RepetitionError as error:
        seconds = time.monotonic() - start
        return Delivery({}, "failed", seconds, Costs(calls=1), why=error.message)
    files = files_in(answer.text, variant.sample.modules)
    return Delivery(
        files=files,
        state="delivered" if files else "failed",
        seconds=time.monotonic() - start,
        costs=Costs(answer.prompt_tokens, answer.tokens, calls=1),
        why="" if files else "the reply lacks a file that was asked for",
    )
