"""Which installed models keep which pool's contract; pure.

A pool promises context, output, system role, schema and dialect to whoever writes its prompts, so a
model that can't keep the promise is no member, and the reason is shown. If none of the listed
models is to be had, others that are installed stand in, rather than a pool being empty on a machine
that has models. The demonstration model is kept apart: pool `mini` has it alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from atos_protocol.scheduler_api import MINI_POOL, Pool
from atos_scheduler.catalogue.entries import MINI_MODEL, ModelEntry, PoolEntry
from atos_scheduler.core.estimate import Shape, footprint
from atos_scheduler.core.types import Candidate, size_text
from atos_scheduler.engines.protocol import Caps, Engine, InstalledModel, ModelSpec

DEFAULT_CONTEXT = 4096
REMOTE_SLOTS = 4
"""Requests at once to a model on a server that somebody else runs, and that queues by itself."""
NOT_CHAT = ("embed", "bert", "rerank", "whisper", "clip")
"""Words in a name or family that mark a model which can't hold a conversation."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A model that an engine has, and how it would be loaded."""

    engine: Engine
    installed: InstalledModel
    entry: ModelEntry
    spec: ModelSpec
    candidate: Candidate

    @property
    def name(self) -> str:
        """The name under which the engine has it."""
        return self.installed.name


def offer(engine: Engine, installed: InstalledModel, entry: ModelEntry, device: str) -> Offer:
    """Freeze how a model is loaded, and estimate what it takes."""
    trained = installed.context or DEFAULT_CONTEXT
    context = entry.context or min(DEFAULT_CONTEXT, trained)
    slots = entry.slots or (1 if engine.caps.load else REMOTE_SLOTS)
    spec = ModelSpec(
        name=installed.name,
        source=entry.source or installed.name,
        context=context,
        slots=slots,
        options=dict(entry.options),
    )
    needs = _estimate(engine.caps, installed, entry, spec, device)
    return Offer(engine, installed, entry, spec, Candidate(installed.name, needs, slots))


def _estimate(
    caps: Caps, installed: InstalledModel, entry: ModelEntry, spec: ModelSpec, device: str
) -> int:
    if not caps.load:
        return 0  # somebody else's server, and somebody else's memory
    if not caps.real_weights:
        return installed.size
    known = installed.details.get("kv_bytes_per_token", 0)
    shape = Shape(
        weights=max(entry.weights, installed.size),
        kv_per_token=entry.kv_per_token or (known if isinstance(known, int) else 0),
        compute=entry.compute,
    )
    return footprint(shape, spec.context, spec.slots, device)


def broken_promise(pool: PoolEntry, offered: Offer, budget: int) -> str:
    """Return why a model can't be a member of a pool; empty if it can."""
    entry, spec = offered.entry, offered.spec
    trained = offered.installed.context
    if (offered.name == MINI_MODEL) != (pool.name == MINI_POOL):
        return "the demonstration model and general models share no pool"
    if entry.dialect != pool.dialect:
        return f"speaks {entry.dialect}, the pool {pool.dialect}"
    if spec.context < pool.context:
        return f"context {spec.context} is below the pool's {pool.context}"
    if trained and trained < pool.context:
        return f"was trained for {trained} tokens, the pool needs {pool.context}"
    if pool.system and not entry.system:
        return "does not understand a system message"
    if pool.schema and not (entry.schema and offered.engine.caps.schema):
        return "can't be held to a JSON schema"
    if offered.candidate.bytes > budget:
        needs = size_text(offered.candidate.bytes)
        return f"needs {needs}, the budget is {size_text(budget)}"
    return ""


def _can_chat(offered: Offer) -> bool:
    family = str(offered.installed.details.get("family", ""))
    text = f"{offered.name} {family}".lower()
    return offered.name != MINI_MODEL and not any(word in text for word in NOT_CHAT)


def _stand_ins(pool: PoolEntry, offers: Iterable[Offer], budget: int) -> list[Offer]:
    """Return installed models that are not listed but keep the contract, best first."""
    if pool.adopt == "none":
        return []
    able = [o for o in offers if _can_chat(o) and not broken_promise(pool, o, budget)]
    sign = -1 if pool.adopt == "largest" else 1
    # a server that the person has named comes before what happens to be installed
    return sorted(able, key=lambda o: (o.engine.caps.load, sign * o.installed.size))


def _refused(pool: PoolEntry, offers: Iterable[Offer], budget: int) -> list[str]:
    """Say why installed models can't stand in."""
    others = [o for o in offers if _can_chat(o) and pool.adopt != "none"]
    whys = {o.name: broken_promise(pool, o, budget) for o in others}
    return [f"{name}: {why}" for name, why in whys.items() if why and name not in pool.members]


def find(name: str, offers: dict[str, Offer], entries: dict[str, ModelEntry]) -> Offer | None:
    """Return an installed model by its name, its name without `:latest`, or one of its aliases."""
    names = [name, f"{name}:latest", name.removesuffix(":latest")]
    for entry in entries.values():
        if name == entry.name or name in entry.aliases:
            names += [entry.name, *entry.aliases]
    return next((offers[n] for n in names if n in offers), None)


def resolve(
    pool: PoolEntry,
    offers: dict[str, Offer],
    entries: dict[str, ModelEntry],
    budget: int,
    absent: str = "is not installed",
) -> tuple[Pool, tuple[Offer, ...]]:
    """Return a pool as others see it, and the models behind it, first choice first."""
    members: list[Offer] = []
    missing: list[str] = []
    for name in pool.members:
        found = find(name, offers, entries)
        if found is None:
            missing.append(f"{name}: {absent}")
        elif why := broken_promise(pool, found, budget):
            missing.append(f"{name}: {why}")
        elif found not in members:
            members.append(found)
    if not members:
        members = _stand_ins(pool, offers.values(), budget)
        missing += _refused(pool, offers.values(), budget)
    seen = Pool(
        name=pool.name,
        context=pool.context,
        output=pool.output,
        system=pool.system,
        schema=pool.schema,
        dialect=pool.dialect,
        members=tuple(o.name for o in members),
        missing=tuple(missing),
    )
    return seen, tuple(members)
