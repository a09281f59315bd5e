"""Which models a pool gets: contracts, what is installed, and who stands in."""

import errno
from dataclasses import replace
from pathlib import Path

import pytest
from inline_snapshot import snapshot

from atos_protocol.errors import NoModelError
from atos_protocol.scheduler_api import EngineStatus, Pool
from atos_scheduler.catalogue.catalogue import Catalogue
from atos_scheduler.catalogue.contracts import GPU_SLOTS, deployment_of
from atos_scheduler.catalogue.entries import ModelEntry, load_entries
from atos_scheduler.core.events import LoadFailed
from atos_scheduler.core.types import Candidate
from atos_scheduler.engines.protocol import InstalledModel, LoadedModel, ModelSpec
from atos_scheduler.model_loader import ModelLoader
from doubles.scripted_engine import Script, ScriptedEngine, models

GIB = 1 << 30


async def catalogue(
    *engines: ScriptedEngine, home: Path = Path("/nonexistent"), budget: int = 8 * GIB
) -> Catalogue:
    entries = load_entries(home, "cuda", budget)
    found = Catalogue(engines, entries, "cuda", budget)
    await found.refresh()
    return found


def pool(found: Catalogue, name: str) -> Pool:
    return next(p for p in found.pools() if p.name == name)


async def test_installed_members_come_in_the_listed_order_and_the_rest_is_missing() -> None:
    found = await catalogue(
        ScriptedEngine(models(["granite4.1:3b", "qwen2.5-coder:7b", "llama3.2:latest"]))
    )
    assert pool(found, "simple") == snapshot(
        Pool(
            name="simple",
            context=4096,
            output=2048,
            system=False,
            schema=True,
            dialect="chat",
            members=("qwen2.5-coder:7b", "granite4.1:3b"),
            missing=("qwen2.5-coder:1.5b: is not installed",),
            samples=5,
            parallel=3,
        )
    )


async def test_a_model_is_found_under_its_other_names() -> None:
    found = await catalogue(ScriptedEngine(models(["qwen2.5-coder:7b-instruct", "phi3.5:latest"])))
    assert pool(found, "orchestrator").members == ("qwen2.5-coder:7b-instruct",)
    assert (await found.candidates("phi3.5"))[0].name == "phi3.5:latest"
    assert (await found.candidates("qwen2.5-coder:7b"))[0].name == "qwen2.5-coder:7b-instruct"


async def test_a_pool_whose_models_are_still_being_read_is_to_be_asked_again() -> None:
    found = await catalogue(ScriptedEngine({"new": Script(details={"unread": True})}), budget=1)
    with pytest.raises(NoModelError, match=r"model files are still being read \(1\)") as waits:
        await found.candidates("atos/simple")
    with pytest.raises(NoModelError) as unknown:
        await found.candidates("newer")
    assert (waits.value.retry, unknown.value.retry) == (True, False)


async def test_the_models_of_an_engine_that_is_away_for_a_moment_are_to_be_asked_for_again() -> (
    None
):
    engine = ScriptedEngine(models(["qwen2.5-coder:7b"]))
    found = await catalogue(engine)
    engine.reason = "no server answers"
    await found.refresh(0.0)
    for name in ("atos/simple", "qwen2.5-coder:7b"):
        with pytest.raises(NoModelError, match="does not answer now") as away:
            await found.candidates(name)
        assert away.value.retry

    engine.reason = ""
    await found.refresh(0.0)
    assert [each.name for each in await found.candidates("atos/simple")] == ["qwen2.5-coder:7b"]


async def test_an_engine_that_was_never_there_is_not_waited_for() -> None:
    engine = ScriptedEngine({})
    engine.reason = "no server answers"
    with pytest.raises(NoModelError) as nothing:
        await (await catalogue(engine)).candidates("atos/simple")
    assert not nothing.value.retry


async def test_other_chat_models_stand_in_where_no_listed_one_is_installed() -> None:
    scripts = {"big": Script(size=3 * GIB), "little": Script(size=GIB)}
    scripts |= {"nomic-embed-text": Script(), "atos-mini": Script(size=1)}
    found = await catalogue(ScriptedEngine(scripts))
    assert pool(found, "complex").members == ("big", "little")
    assert pool(found, "simple").members == ("little", "big")


async def test_a_stand_in_must_keep_the_contract_and_the_reason_is_shown() -> None:
    scripts = {"short": Script(context=2048), "fat": Script(size=9 * GIB)}
    found = await catalogue(ScriptedEngine(scripts))
    complex_ = pool(found, "complex")
    assert complex_.members == ()
    assert complex_.missing[-2:] == snapshot(
        (
            "short: context 2048 is below the pool's 4096",
            "fat: needs 9.0 GiB, the budget is 8.0 GiB",
        )
    )


async def test_a_listed_model_that_breaks_the_contract_is_refused_with_the_reason(
    tmp_path: Path,
) -> None:
    text = "models:\n  granite4.1:3b: {context: 1024}\n  qwen2.5-coder:7b: {schema: false}\n"
    (tmp_path / "models.yaml").write_text(text, encoding="utf-8")
    engine = ScriptedEngine(models(["granite4.1:3b", "qwen2.5-coder:7b", "qwen2.5-coder:1.5b"]))
    found = await catalogue(engine, home=tmp_path)
    assert pool(found, "simple").members == ("qwen2.5-coder:1.5b",)
    assert pool(found, "simple").missing == (
        "qwen2.5-coder:7b: can't be held to a JSON schema",
        "granite4.1:3b: context 1024 is below the pool's 4096",
    )


async def test_the_demonstration_model_is_alone_in_its_pool(tmp_path: Path) -> None:
    text = "pools:\n  simple: {members: [atos-mini]}\n  mini: {members: [qwen2.5:3b, atos-mini]}\n"
    (tmp_path / "agents.yaml").write_text(text, encoding="utf-8")
    engine = ScriptedEngine(models(["atos-mini", "qwen2.5:3b"]))
    found = await catalogue(engine, home=tmp_path)
    assert pool(found, "mini").members == ("atos-mini",)
    assert "atos-mini" not in pool(found, "simple").members
    assert pool(found, "simple").missing == (
        "atos-mini: understands catalogue prompts only, the pool sends chat prompts",
    )
    assert pool(found, "mini").missing == (
        "qwen2.5:3b: understands chat prompts only, the pool sends catalogue prompts",
    )


async def test_only_the_demonstration_model_leaves_the_general_pools_empty() -> None:
    found = await catalogue(ScriptedEngine(models(["atos-mini"])))
    assert {p.name: p.members for p in found.pools()} == {
        "orchestrator": (),
        "simple": (),
        "medium": (),
        "complex": (),
        "mini": ("atos-mini",),
    }


async def test_the_first_engine_that_has_a_model_serves_it() -> None:
    first = ScriptedEngine(models(["a"]), "first")
    second = ScriptedEngine(models(["a", "b"]), "second")
    found = await catalogue(first, second)
    assert {name: o.engine.name for name, o in found.deployments.items()} == {
        "a": "first",
        "b": "second",
    }


async def test_an_engine_that_can_not_be_used_says_why_and_harms_no_other() -> None:
    sick, well = ScriptedEngine(models("a"), "sick"), ScriptedEngine(models("b"), "well")
    sick.reason = "nobody answers at 127.0.0.1:11434"
    found = await catalogue(sick, well)
    assert [(s.name, s.ok, s.models, s.reason) for s in found.statuses] == [
        ("sick", False, 0, "nobody answers at 127.0.0.1:11434"),
        ("well", True, 1, ""),
    ]
    assert list(found.deployments) == ["b"]


async def test_a_model_pulled_in_the_meantime_is_found_when_it_is_asked_for() -> None:
    engine = ScriptedEngine({})
    entries = load_entries(Path("/nonexistent"), "cuda", 8 * GIB)
    found = Catalogue([engine], entries, "cuda", 8 * GIB, fresh=0.0)
    with pytest.raises(NoModelError):
        await found.candidates("late")
    engine.scripts["late"] = Script()
    assert (await found.candidates("late"))[0].name == "late"


async def test_an_unknown_pool_names_the_known_ones() -> None:
    found = await catalogue(ScriptedEngine({}))
    with pytest.raises(NoModelError) as caught:
        await found.candidates("atos/huge")
    assert caught.value.next_step == snapshot(
        "Pools are: atos/orchestrator, atos/simple, atos/medium, atos/complex, atos/mini."
    )


async def test_a_model_on_somebody_elses_server_costs_nothing_and_comes_first() -> None:
    remote = ScriptedEngine(models(["far"], size=100 * GIB), "remote")
    remote.caps = replace(ScriptedEngine.caps, load=False, unload=False)
    found = await catalogue(ScriptedEngine(models(["near"])), remote)
    assert pool(found, "simple").members == ("far", "near")
    assert found.deployments["far"].candidate == Candidate("far", 0, 4)


async def test_a_base_model_without_a_chat_template_is_in_no_chat_pool_and_the_pool_says_why() -> (
    None
):
    base = Script(details={"chat_template": False})
    found = await catalogue(ScriptedEngine({"base": base}))
    (why,) = [m for m in pool(found, "simple").missing if m.startswith("base")]
    assert (
        why == "base: has no chat template: it is a base model, which does not follow instructions"
    )
    with pytest.raises(NoModelError, match="base: has no chat template"):
        await found.candidates("atos/simple")
    assert [d.name for d in await found.candidates("base")] == ["base"], (
        "by its name it can be asked"
    )


async def test_side_by_side_pays_on_a_gpu_for_every_slot_and_on_a_small_cpu_for_none() -> None:
    (installed,) = await ScriptedEngine(models("a")).installed()
    engine, entry = ScriptedEngine(models("a")), ModelEntry(slots=4)
    found = [
        deployment_of(engine, installed, entry, device, cores).parallel
        for device, cores in (("cuda", 2), ("cpu", 2), ("cpu", 8), ("cpu", 64))
    ]
    assert found == [4, 1, 2, 4]


class Choosing(ScriptedEngine):
    """Its slots may be decided at each load."""

    caps = replace(ScriptedEngine.caps, slots=True, real_weights=True)


async def test_slots_are_decided_at_the_load_only_where_the_engine_can_and_on_a_gpu() -> None:
    (installed,) = await Choosing(models("a")).installed()
    found = [
        deployment_of(engine, installed, entry, device).candidate.most_slots
        for engine, entry, device in (
            (Choosing(models("a")), ModelEntry(slots=2), "cuda"),
            (Choosing(models("a")), ModelEntry(slots=2, most_slots=4), "cuda"),
            (Choosing(models("a")), ModelEntry(slots=2), "cpu"),
            (ScriptedEngine(models("a")), ModelEntry(slots=2), "cuda"),
        )
    ]
    assert found == [GPU_SLOTS, 4, 0, 0]


async def test_a_further_slot_is_charged_its_part_of_the_cache() -> None:
    (installed,) = await Choosing(models("a")).installed()
    entry = ModelEntry(slots=2, context=1000, kv_per_token=500)
    found = deployment_of(Choosing(models("a")), installed, entry, "cuda").candidate
    assert found.slot_bytes == 500_000


async def test_a_model_is_pinned_by_its_entry() -> None:
    (installed,) = await ScriptedEngine(models("a")).installed()
    pinned = [
        deployment_of(ScriptedEngine(models("a")), installed, entry, "cuda").candidate.pinned
        for entry in (ModelEntry(), ModelEntry(pin=True))
    ]
    assert pinned == [False, True]


async def test_a_model_is_loaded_with_the_slots_that_were_decided() -> None:
    specs = list[ModelSpec]()

    class Noting(ScriptedEngine):
        async def load(self, spec: ModelSpec) -> LoadedModel:
            specs.append(spec)
            return await super().load(spec)

    engine = Noting(models("a"))
    (installed,) = await engine.installed()
    loader = ModelLoader()
    loader.register(deployment_of(engine, installed, ModelEntry(slots=2), "cuda"))
    await loader.load("a", 5)
    await loader.load("a")
    assert [spec.slots for spec in specs] == [5, 2]


async def test_a_machine_without_a_descriptor_for_an_engine_is_not_the_models_fault() -> None:
    class Starved(ScriptedEngine):
        async def load(self, spec: ModelSpec) -> LoadedModel:
            raise OSError(errno.EMFILE, "Too many open files")

    engine = Starved(models("a"))
    (installed,) = await engine.installed()
    loader = ModelLoader()
    loader.register(deployment_of(engine, installed, ModelEntry(), "cuda"))
    failed = await loader.load("a")

    assert isinstance(failed, LoadFailed)
    assert (failed.reason.code, failed.reason.retry) == ("busy", True)


class Slow(ScriptedEngine):
    """Lists its models once, and is too slow ever after."""

    slow = False

    async def installed(self) -> list[InstalledModel]:
        if self.slow:
            raise TimeoutError
        return await super().installed()


async def test_an_engine_that_is_too_slow_keeps_the_models_that_it_had() -> None:
    engine = Slow(models(["a", "b"]))
    found = await catalogue(engine)
    engine.slow = True
    await found.refresh(0.0)
    assert sorted(found.deployments) == ["a", "b"]
    assert found.statuses == snapshot(
        (EngineStatus(name="scripted", ok=True, models=2, reason="it did not answer within 10 s"),)
    )
    engine.slow, engine.reason = False, "it was switched off"
    await found.refresh(0.0)
    assert found.deployments == {}, "one that is down has no models"


async def test_a_model_whose_header_is_not_read_yet_is_asked_by_name_only() -> None:
    found = await catalogue(ScriptedEngine({"new": Script(details={"unread": True})}))
    assert pool(found, "simple").members == ()
    assert [d.name for d in await found.candidates("new")] == ["new"]


async def test_an_engine_for_the_cpu_puts_its_models_into_memory_beside_a_gpu() -> None:
    entries = load_entries(Path("/nonexistent"), "cuda", 4 * GIB)
    engine = ScriptedEngine(models(["near"], size=6 * GIB))
    engine.caps = replace(ScriptedEngine.caps, devices=("cpu",))
    found = Catalogue([engine], entries, "cuda", 4 * GIB, others={"cpu": 16 * GIB})
    await found.refresh()
    assert found.deployments["near"].candidate.device == "cpu"
    assert pool(found, "simple").members == ("near",), "the GPU's budget is not its own"
    assert found.unused_gpu()


async def test_a_gpu_is_in_use_where_one_engine_can_use_it() -> None:
    assert not (await catalogue(ScriptedEngine(models(["near"])))).unused_gpu()
    sick = ScriptedEngine(models(["near"]))
    sick.reason = "it is down"
    assert (await catalogue(sick)).unused_gpu()
