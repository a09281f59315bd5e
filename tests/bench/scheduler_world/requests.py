"""Workloads: goals as DAGs of requests, and clients that ask again after they have thought."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

SIMPLE = ("q1.5b", "q3b", "gemma2b")


@dataclass(frozen=True, slots=True)
class Request:
    """One reply that somebody needs."""

    id: int
    owner: str
    """A goal, or a client."""
    models: tuple[str, ...]
    """That may answer, first choice first."""
    prompt: int
    tokens: int
    after: tuple[int, ...] = ()
    pause: float = 0.0
    """Seconds between the last of `after` and this request."""
    planned: bool = True
    """Whether the owner publishes a plan in which it stands."""
    kind: str = "batch"
    wrong: float = 1.0
    """The true duration over the expected one."""


@dataclass(frozen=True, slots=True)
class Workload:
    """Requests, and when their owners come."""

    requests: Sequence[Request]
    arrivals: Mapping[str, float]


Maker = Callable[[int], Workload]


class _Goal:
    def __init__(self, owner: str, first: int) -> None:
        self.owner, self.first = owner, first
        self.requests = list[Request]()

    def add(self, models: tuple[str, ...], prompt: int, tokens: int, after: Sequence[int]) -> int:
        number = self.first + len(self.requests)
        self.requests.append(Request(number, self.owner, models, prompt, tokens, tuple(after)))
        return number


def _goal(owner: str, first: int, rng: random.Random) -> list[Request]:
    goal = _Goal(owner, first)
    plan = goal.add(("orch7b",), 600, 300, [])
    ends = list[int]()
    for _ in range(rng.randint(3, 6)):
        chosen = rng.choice(SIMPLE)
        others = tuple(m for m in SIMPLE if m != chosen)
        ends.append(goal.add((chosen, *others), 400, rng.randint(80, 250), [plan]))
    for _ in range(rng.randint(1, 2)):
        after = [plan, rng.choice(ends)]
        ends.append(goal.add(("phi3.8b",), 800, rng.randint(200, 450), after))
    if rng.random() < 0.6:
        code = goal.add(("coder7b",), 900, rng.randint(400, 800), [plan, rng.choice(ends)])
        for _ in range(rng.randint(1, 2)):
            review = goal.add(("orch7b",), 900, 120, [code])
            code = goal.add(("coder7b",), 1200, rng.randint(200, 400), [review])
        ends.append(code)
    goal.add(("orch7b",), 1200, 350, ends)
    return goal.requests


def goals(seed: int, number: int = 6, gap: float = 20.0) -> Workload:
    """Goals of all kinds that come `gap` seconds apart on average."""
    rng = random.Random(seed)
    requests, arrivals, at = list[Request](), dict[str, float](), 0.0
    for index in range(number):
        requests += _goal(f"goal{index}", len(requests), rng)
        arrivals[f"goal{index}"] = at
        at += rng.expovariate(1 / gap)
    return Workload(requests, arrivals)


def burst(seed: int) -> Workload:
    """Eight goals at once."""
    return goals(seed, 8, 0.01)


def fan_out(seed: int) -> Workload:
    """One goal of 24 simple tasks between a plan and a summary."""
    rng = random.Random(seed)
    goal = _Goal("goal", 0)
    plan = goal.add(("orch7b",), 600, 300, [])
    parts = list[int]()
    for index in range(24):
        turned = SIMPLE[index % 3 :] + SIMPLE[: index % 3]
        parts.append(goal.add(turned, 400, rng.randint(100, 200), [plan]))
    goal.add(("orch7b",), 1500, 400, parts)
    return Workload(goal.requests, {"goal": 0.0})


def alternation(seed: int, each: int = 40, think: float = 1.0) -> Workload:
    """Two clients in a closed loop, whose models fit one at a time; nobody publishes a plan."""
    rng = random.Random(seed)
    requests = list[Request]()
    for owner, model in (("ann", "orch7b"), ("bob", "coder7b")):
        last: tuple[int, ...] = ()
        for _ in range(each):
            number = len(requests)
            tokens = rng.randint(40, 160)
            requests.append(
                Request(number, owner, (model,), 300, tokens, last, think if last else 0, False)
            )
            last = (number,)
    return Workload(requests, {"ann": 0.0, "bob": rng.uniform(0, 4)})


def three_roles(seed: int) -> Workload:
    """Three agents that loop over three roles, each role with a model of its own; each begins with another one."""
    rng = random.Random(seed)
    requests = list[Request]()
    for agent in range(3):
        last: tuple[int, ...] = ()
        for step in range(12):
            model = ("orch7b", "coder7b", "phi3.8b")[(step + agent) % 3]
            tokens = rng.randint(80, 400)
            number = len(requests)
            requests.append(Request(number, f"agent{agent}", (model,), 700, tokens, last))
            last = (number,)
    return Workload(requests, {f"agent{n}": rng.uniform(0, 10) for n in range(3)})


def random_dag(seed: int, tasks: int = 11) -> Workload:
    """One goal over three models that exclude each other."""
    rng = random.Random(seed)
    goal = _Goal("goal", 0)
    for index in range(tasks):
        model = rng.choice(["orch7b", "coder7b", "phi3.8b"])
        after = [j for j in range(index) if rng.random() < 1.6 / tasks]
        goal.add((model,), 400, rng.randint(60, 250), after)
    return Workload(goal.requests, {"goal": 0.0})


def wrong_durations(make: Maker) -> Maker:
    """Return the same workload, every duration wrong by a factor of 0.5 to 2."""

    def made(seed: int) -> Workload:
        rng, plain = random.Random(f"wrong {seed}"), make(seed)
        wrong = [
            replace(r, wrong=math.exp(rng.uniform(math.log(0.5), math.log(2))))
            for r in plain.requests
        ]
        return Workload(wrong, plain.arrivals)

    return made


def bound_early(make: Maker) -> Maker:
    """Return the same workload without late binding: every request names its first model."""

    def made(seed: int) -> Workload:
        plain = make(seed)
        early = [replace(r, models=r.models[:1]) for r in plain.requests]
        return Workload(early, plain.arrivals)

    return made


WORKLOADS: dict[str, Maker] = {
    "mix": goals,
    "burst": burst,
    "fan-out": fan_out,
    "alternation": alternation,
    "three roles": three_roles,
}
