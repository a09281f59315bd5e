"""Records a model's replies to HumanEval, resumable at every problem.

    PYTHONPATH=tests python -m bench.record_replies --model M.gguf --data HumanEval.jsonl.gz \
        --out tests/data/M-replies.jsonl.gz --problems 82
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import anyio

from bench.embedded_model import Answer, embedded_model
from bench.humaneval import Problem, read_problems
from bench.recorded import RecordedProblem, Recording, digest_of
from bench.recorded_requests import requests_of

PROBLEMS = 82


async def record(problems: Sequence[Problem], recording: Recording, model: str, ask: Answer) -> int:
    """Ask whatever is not recorded yet, and finish; return how many problems were asked."""
    asked = 0
    for number, problem in enumerate(problems, 1):
        requests = requests_of(problem)
        digest = digest_of(requests)
        if recording.has(problem, digest):
            continue
        replies = [await ask(request) for request in requests]
        recording.add(RecordedProblem(model, problem, digest, tuple(replies)))
        asked += 1
        seconds, tokens = sum(r.seconds for r in replies), sum(r.tokens for r in replies)
        about = f"{problem.id}: {seconds:.0f} s, {tokens} tokens"
        print(f"{number} of {len(problems)}, {about}", flush=True)
    recording.finish(problems)
    return asked


async def main(given: argparse.Namespace) -> None:
    """Record what the command line asks for."""
    problems = [problem for problem, _ in read_problems(given.data, given.problems)]
    async with embedded_model(given.model, given.threads) as ask:
        await record(problems, Recording(given.out), given.model.stem, ask)


def options() -> argparse.Namespace:
    """Read the command line."""
    read = argparse.ArgumentParser(description=__doc__)
    read.add_argument("--model", type=Path, required=True, help="path of a GGUF file")
    data = os.environ.get("ATOS_BENCH_DATA")
    read.add_argument(
        "--data", type=Path, default=data, required=not data, help="path of HumanEval.jsonl.gz"
    )
    read.add_argument("--out", type=Path, required=True, help="path of the .jsonl.gz to write")
    read.add_argument("--problems", type=int, default=PROBLEMS)
    read.add_argument("--threads", type=int, default=0, help="0: all cores")
    return read.parse_args()


if __name__ == "__main__":
    anyio.run(main, options())
