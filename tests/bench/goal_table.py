"""The table of `real-goals`, from the runs that there are."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from bench.figures import Share
from bench.goal_runs import ARMS, OUTCOMES, GoalRun
from bench.sample_goals import GoalVariant

HEAD = (
    "| goals | arm | runs | solved, % | solved | wrong | asked | failed | ceiling | median s | tokens |"
    " calls |"
)
Group = tuple[str, Callable[[GoalVariant], bool]]
GROUPS: tuple[Group, ...] = (
    ("all twelve", lambda variant: not variant.stripped),
    ("with examples", lambda variant: variant.has_examples),
    ("the same, examples removed", lambda variant: variant.stripped),
    ("written without", lambda variant: not variant.sample.has_examples),
)


def table(runs: Sequence[GoalRun], texts: Sequence[GoalVariant]) -> list[str]:
    """Return a Markdown table: a line for each group of goals and arm."""
    lines = [HEAD, "|" + "---|" * (HEAD.count("|") - 1)]
    for name, belongs in GROUPS:
        ids = {variant.id for variant in texts if belongs(variant)}
        for arm in ARMS:
            found = [run for run in runs if run.goal in ids and run.arm == arm]
            if found:
                lines.append(_line(name, found))
    return lines


def _line(group: str, runs: Sequence[GoalRun]) -> str:
    counts = [sum(run.outcome == outcome for run in runs) for outcome in OUTCOMES]
    alone = [run.delivery.seconds for run in runs if run.at_once == 1]
    cells = [
        group, runs[0].arm, len(runs), Share(counts[0], len(runs)), *counts,
        sum(run.reachable for run in runs),
        f"{statistics.median(alone):.0f}" if alone else "-",
        round(statistics.mean(run.delivery.costs.tokens for run in runs)),
        f"{statistics.mean(run.delivery.costs.calls for run in runs):.1f}",
    ]  # fmt: skip
    return f"| {' | '.join(map(str, cells))} |"


def goal_by_goal(runs: Sequence[GoalRun], texts: Sequence[GoalVariant]) -> list[str]:
    """Return a Markdown table of what became of each goal, seed by seed."""
    arms = [arm for arm in ARMS if any(run.arm == arm for run in runs)]
    lines = [f"| goal | {' | '.join(arms)} | claimed as proof |", "|---" * (len(arms) + 2) + "|"]
    for variant in texts:
        mine = sorted((r for r in runs if r.goal == variant.id), key=lambda run: run.seed)
        if not mine:
            continue
        cells = [" ".join(run.outcome for run in mine if run.arm == arm) for arm in arms]
        proofs = dict.fromkeys(run.delivery.proof for run in mine if run.delivery.proof)
        lines.append(f"| {variant.id} | {' | '.join(cells)} | {', '.join(proofs)} |")
    return lines
