"""Which installed models meet which pool's contract; pure.

A pool promises context, output, system role, schema and dialect to whoever writes its prompts. A
model that can't keep the promise is not a member, and the reason is shown. If no listed model is
installed, other installed ones substitute for them, so that a pool is not empty on a machine that
has models. A model with a prompt dialect of its own shares no pool with general ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from atos_protocol.scheduler_api import Pool
from atos_scheduler.catalogue.entries import ModelEntry, PoolEntry
from atos_scheduler.core.estimate import Shape, footprint, prompt_cache
from atos_scheduler.core.types import MIB, Candidate, size_text
from atos_scheduler.engines.protocol import Caps, Engine, InstalledModel, ModelSpec
from atos_scheduler.engines.threads import parallel

DEFAULT_CONTEXT = 4096
VARIANT = "@ctx"
"""Stands between a model's name and the context of a variant of it."""
REMOTE_SLOTS = 4
GPU_SLOTS = 16
"""Slots up to which a model on a GPU may be loaded, where waiting work can use them (decisions/0031)."""
HOST_BESIDE = 512 * MIB
"""What llama-server with CUDA takes of the machine's memory until it is measured."""
SMALL_BYTES = 3_500_000_000
"""Weights below which a model counts as small: a 3B at four bits has 2 GB, a 7B 4.7 GB."""
SAMPLES_OF_SMALL, SAMPLES_OF_LARGE = 5, 3
"""A model of 7B and up is right more often, and each of its samples takes longer."""
"""Requests at once to a model on a server that somebody else runs, and that queues by itself."""
NOT_CHAT = ("embed", "bert", "rerank", "whisper", "clip")
"""Words in a name or family that mark a model as unable to chat."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """A model that an engine has, and how it would be loaded."""

    engine: Engine
    installed: InstalledModel
    entry: ModelEntry
    spec: ModelSpec
    candidate: Candidate
    parallel: int = 1
    """Requests at once that are answered faster than one after another."""

    @property
    def name(self) -> str:
        """The name under which the engine has it."""
        return self.installed.name


def deployment_of(
    engine: Engine,
    installed: InstalledModel,
    entry: ModelEntry,
    device: str,
    cores: int = 1,
    place: str = "",
) -> Deployment:
    """Freeze how a model is loaded, and estimate what it takes.

    Args:
        engine: what has it.
        installed: what the engine says of it.
        entry: what the settings say of it.
        device: the kind of device that it is loaded on.
        cores: the cores that it runs on if that device is the CPU.
        place: the name of that device; "" for the ledger's first.
    """
    caps, trained = engine.caps, installed.context or DEFAULT_CONTEXT
    context = entry.context or min(DEFAULT_CONTEXT, trained)
    slots = entry.slots or (1 if caps.load else REMOTE_SLOTS)
    shape, cache = _shape(installed, entry), entry.cache if caps.prompt_cache else "f16"
    remembers = caps.prompt_cache and slots == 1
    spec = ModelSpec(
        name=installed.name,
        source=entry.source or installed.name,
        context=context,
        slots=slots,
        options=entry.options.model_dump(exclude_unset=True),
        cache=cache,
        prompt_cache=prompt_cache(shape, context) if remembers else 0,
    )
    needs = _estimate(caps, installed, shape, spec, device)
    pays = parallel(cores) if caps.load and device == "cpu" else slots
    candidate = Candidate(
        installed.name,
        needs,
        slots,
        place,
        _beside(caps, device),
        most_slots=_most_slots(caps, entry, device),
        slot_bytes=_estimate(caps, installed, shape, replace(spec, slots=slots + 1), device)
        - needs,
        pinned=entry.pin,
    )
    return Deployment(engine, installed, entry, spec, candidate, min(slots, pays))


def _most_slots(caps: Caps, entry: ModelEntry, device: str) -> int:
    """Return up to how many slots a model may be loaded with; 0 where their number is fixed."""
    if not caps.slots or device != "cuda":
        return 0  # on a CPU further slots only slow the others
    return entry.most_slots or GPU_SLOTS


def variant(
    found: Deployment, context: int, device: str, cores: int, place: str = ""
) -> Deployment:
    """Return a deployment of the same file with another context, under a name of its own."""
    update = {"context": context, "source": found.spec.source}
    entry = found.entry.model_copy(update=update)
    name = f"{found.name}{VARIANT}{context}"
    installed = replace(found.installed, name=name)
    return deployment_of(found.engine, installed, entry, device, cores, place)


def plain_name(name: str) -> str:
    """Return the name that clients know, of a model or of its variant."""
    return name.partition(VARIANT)[0]


def _shape(installed: InstalledModel, entry: ModelEntry) -> Shape:
    def known(name: str) -> int:
        found = installed.details.get(name, 0)
        return found if isinstance(found, int) else 0

    return Shape(
        weights=max(entry.weights, installed.size),
        kv_per_token=entry.kv_per_token or known("kv_bytes_per_token"),
        compute=entry.compute,
        kv_window=known("kv_bytes_window"),
        tokens=known("vocabulary"),
        merges=known("merges"),
    )


def _estimate(
    caps: Caps, installed: InstalledModel, shape: Shape, spec: ModelSpec, device: str
) -> int:
    if not caps.load:
        return 0  # somebody else's server, and somebody else's memory
    if not caps.real_weights:
        return installed.size
    return footprint(shape, spec.context, spec.slots, device, spec.cache) + spec.prompt_cache


def _beside(caps: Caps, device: str) -> int:
    """Return what a model on a GPU takes of the machine's memory: its process, and buffers for transfers."""
    return HOST_BESIDE if caps.load and caps.real_weights and device == "cuda" else 0


def contract_violation(pool: PoolEntry, deployment: Deployment, budgets: Mapping[str, int]) -> str:
    """Return why a model can't be a member of a pool; empty if it can. `budgets` are bytes by device."""
    entry, spec = deployment.entry, deployment.spec
    trained = deployment.installed.context
    if entry.dialect != pool.dialect:
        return f"understands {entry.dialect} prompts only, the pool sends {pool.dialect} prompts"
    if deployment.installed.details.get("unread"):
        return "its header has not been read yet"
    if pool.dialect == "chat" and deployment.installed.details.get("chat_template") is False:
        return "has no chat template: it is a base model, which does not follow instructions"
    if spec.context < pool.context:
        return f"context {spec.context} is below the pool's {pool.context}"
    if trained and trained < pool.context:
        return f"was trained for {trained} tokens, the pool needs {pool.context}"
    if pool.system and not entry.system:
        return "does not understand a system message"
    if pool.json_schema and not (entry.json_schema and deployment.engine.caps.schema):
        return "can't be held to a JSON schema"
    budget = budgets.get(deployment.candidate.device, budgets[""])
    if deployment.candidate.bytes > budget:
        needs = size_text(deployment.candidate.bytes)
        return f"needs {needs}, the budget is {size_text(budget)}"
    return ""


def _can_chat(deployment: Deployment) -> bool:
    family = str(deployment.installed.details.get("family", ""))
    text = f"{deployment.name} {family}".lower()
    if deployment.installed.details.get("unread"):
        return False
    return deployment.entry.dialect == "chat" and not any(word in text for word in NOT_CHAT)


def _substitutes(
    pool: PoolEntry, deployments: Iterable[Deployment], budgets: Mapping[str, int]
) -> list[Deployment]:
    """Return installed models that are not listed but meet the contract, best first."""
    if pool.adopt == "none":
        return []
    able = [d for d in deployments if _can_chat(d) and not contract_violation(pool, d, budgets)]
    sign = -1 if pool.adopt == "largest" else 1
    # a server that the person named comes before what happens to be installed
    return sorted(able, key=lambda d: (d.engine.caps.load, sign * d.installed.size))


def _refused(
    pool: PoolEntry, deployments: Iterable[Deployment], budgets: Mapping[str, int]
) -> list[str]:
    """Return why installed models can't substitute for the listed ones."""
    others = [d for d in deployments if _can_chat(d) and pool.adopt != "none"]
    whys = {d.name: contract_violation(pool, d, budgets) for d in others}
    return [f"{name}: {why}" for name, why in whys.items() if why and name not in pool.members]


def samples_of(pool: PoolEntry, weights: int) -> int:
    """Return how many candidates a task asks of a pool: what its entry says, or what suits its first member.

    Args:
        pool: the entry.
        weights: bytes of the model that answers, which may be another than those listed; 0 if unknown.
    """
    if pool.samples or pool.dialect != "chat":
        return pool.samples or 1
    return SAMPLES_OF_SMALL if 0 < weights < SMALL_BYTES else SAMPLES_OF_LARGE


def find(
    name: str, deployments: dict[str, Deployment], entries: dict[str, ModelEntry]
) -> Deployment | None:
    """Return an installed model by its name, its name without `:latest`, or one of its aliases."""
    names = [name, f"{name}:latest", name.removesuffix(":latest")]
    for known, entry in entries.items():
        if name == known or name in entry.aliases:
            names += [known, *entry.aliases]
    return next((deployments[n] for n in names if n in deployments), None)


def resolve(
    name: str,
    pool: PoolEntry,
    deployments: dict[str, Deployment],
    entries: dict[str, ModelEntry],
    budgets: Mapping[str, int],
) -> tuple[Pool, tuple[Deployment, ...]]:
    """Return a pool as others see it, and the models behind it, first choice first."""
    members: list[Deployment] = []
    missing: list[str] = []
    for listed in pool.members:
        found = find(listed, deployments, entries)
        if found is None:
            missing.append(f"{listed}: is not installed")
        elif why := contract_violation(pool, found, budgets):
            missing.append(f"{listed}: {why}")
        elif found not in members:
            members.append(found)
    if not members:
        members = _substitutes(pool, deployments.values(), budgets)
        missing += _refused(pool, deployments.values(), budgets)
    visible = Pool(
        name=name,
        context=pool.context,
        output=pool.output,
        system=pool.system,
        schema=pool.json_schema,
        dialect=pool.dialect,
        members=tuple(d.name for d in members),
        missing=tuple(missing),
        samples=samples_of(pool, members[0].installed.size if members else 0),
        reflect=pool.reflect,
        parallel=members[0].parallel if members else 1,
    )
    return visible, tuple(members)
