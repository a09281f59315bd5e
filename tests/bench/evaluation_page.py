"""Writes the measured tables into `docs/evaluation.md`, between their markers.

    PYTHONPATH=tests python -m bench.evaluation_page [--publish]

`--publish` first copies the runs of `build/bench/real-goals` to `tests/data`, so that the page can be made
again from what is committed.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from bench import real_humaneval
from bench.goal_runs import GoalRun, current, read_runs
from bench.goal_table import goal_by_goal, table
from bench.recorded import read_lines, write_lines
from bench.sample_goals import SETS, read_samples, variants
from bench.table import BUILD

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "evaluation.md"
RUNS = ROOT / "tests" / "data" / "real-goals"
NOTHING = "Not measured yet."


def publish() -> None:
    """Pack the runs of this machine into the folder that is committed."""
    RUNS.mkdir(parents=True, exist_ok=True)
    for path in sorted((BUILD / "real-goals").glob("*.jsonl")):
        write_lines(RUNS / f"{path.name}.gz", path.read_text(encoding="utf-8").splitlines())


def published() -> dict[str, list[GoalRun]]:
    """Return the committed runs, model by model."""
    found = sorted(RUNS.glob("*.jsonl.gz"))
    return {path.name.removesuffix(".jsonl.gz"): read_runs(read_lines(path)) for path in found}


def goal_lines(runs: dict[str, list[GoalRun]], goals: Path) -> list[str]:
    """Return the tables of one set of goals."""
    texts, lines = variants(read_samples(goals)), list[str]()
    for model, every in runs.items():
        if not (some := current(every, texts)):
            continue
        lines += ["", f"**{model}**", "", *table(some, texts), "", *goal_by_goal(some, texts)]
    return lines[1:] or [NOTHING]


def between_markers(page: str, name: str, lines: list[str]) -> str:
    """Return the page with these lines between the markers of this name.

    Raises:
        ValueError: the page has no such markers.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    shape = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not shape.search(page):
        message = f"the page has no markers for {name}"
        raise ValueError(message)
    body = "\n".join([begin, "", *lines, "", end])
    return shape.sub(lambda _: body, page)


def rendered(page: str) -> str:
    """Return the page with the tables of what is committed."""
    humaneval = real_humaneval.page(real_humaneval.models()) or [NOTHING]
    page = between_markers(page, "real-humaneval", humaneval)
    runs = published()
    for name, goals in SETS.items():
        page = between_markers(page, f"{name}-goals", goal_lines(runs, goals))
    return page


def main() -> None:
    """Write the page."""
    read = argparse.ArgumentParser(description=__doc__)
    read.add_argument("--publish", action="store_true")
    if read.parse_args().publish:
        publish()
    PAGE.write_text(rendered(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
