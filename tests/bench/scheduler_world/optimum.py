"""The shortest makespan there is: one slot, and models that exclude each other."""

from __future__ import annotations

from bench.scheduler_world.hardware import MODELS, UNLOAD
from bench.scheduler_world.requests import Workload


def shortest(workload: Workload) -> float:
    """Return the optimum by dynamic programming over (what is done, the model loaded last), in seconds."""
    requests = workload.requests
    index = {r.id: i for i, r in enumerate(requests)}
    needs = [sum(1 << index[a] for a in r.after) for r in requests]
    work = [MODELS[r.models[0]].seconds(r.prompt, r.tokens) for r in requests]
    best: dict[int, dict[str, float]] = {0: {"": 0.0}}
    for done in range(1 << len(requests)):
        for last, spent in best.pop(done, {}).items():
            for i, request in enumerate(requests):
                if done >> i & 1 or needs[i] & ~done:
                    continue
                model = request.models[0]
                swap = MODELS[model].load_seconds + (UNLOAD if last else 0.0)
                took = spent + work[i] + (0.0 if last == model else swap)
                after = best.setdefault(done | 1 << i, {})
                after[model] = min(took, after.get(model, took))
            if done == (1 << len(requests)) - 1:
                best[-1] = {"": min(spent, best.get(-1, {"": spent})[""])}
    return best[-1][""]
