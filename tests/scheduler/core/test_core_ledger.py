"""Every device has its own ledger: what fits one says nothing of the other."""

from hypothesis import given, settings
from hypothesis import strategies as st

from atos_protocol.scheduler_api import Demand
from atos_scheduler.core.effects import Effect, Evict, Grant, Load, Refuse
from atos_scheduler.core.events import (
    Evicted,
    ForeignChanged,
    Loaded,
    Measured,
    Released,
    Requested,
    Tick,
)
from atos_scheduler.core.memory import Memory, fits
from atos_scheduler.core.policy import anyone, victims
from atos_scheduler.core.state_machine import Core, replay
from atos_scheduler.core.types import Candidate

GPU, RAM = "cuda:0", "cpu"


def machine() -> Core:
    return Core({GPU: 10, RAM: 8})


def want(core: Core, lease: str, *candidates: Candidate, now: float = 0.0) -> list[Effect]:
    found = core.handle(Requested(lease, candidates, Demand(), "", now + 600), now)
    return [effect for effect in found if isinstance(effect, Load | Evict | Grant | Refuse)]


def resident(core: Core, candidate: Candidate, measured: int = 0, host: int = 0) -> None:
    want(core, f"l-{candidate.model}", candidate)
    core.handle(Loaded(candidate.model, measured, host), 0.0)
    core.handle(Released(f"l-{candidate.model}"), 0.0)


def test_a_model_in_memory_takes_nothing_of_the_gpu() -> None:
    core = machine()
    resident(core, Candidate("on-gpu", 9, 1, GPU))
    assert want(core, "1", Candidate("on-cpu", 7, 1, RAM)) == [Load("on-cpu")]
    assert (core.memory.committed_on(GPU), core.memory.committed_on(RAM)) == (9, 7)


def test_only_what_frees_the_device_that_is_short_is_evicted() -> None:
    core = machine()
    resident(core, Candidate("on-cpu", 6, 1, RAM))
    resident(core, Candidate("on-gpu", 6, 1, GPU))
    assert want(core, "1", Candidate("next", 8, 1, GPU)) == [Evict("on-gpu")]


def test_a_model_on_the_gpu_is_charged_for_its_process_in_memory_too() -> None:
    core = machine()
    resident(core, Candidate("big", 9, 1, GPU, host=3), measured=11, host=4)
    assert core.memory.residencies["big"].charges == {GPU: 9, RAM: 4}
    assert want(core, "1", Candidate("on-cpu", 5, 1, RAM)) == [Evict("big")]
    assert core.validate() == []


def test_a_model_that_fits_no_device_is_refused_with_the_numbers_of_its_own() -> None:
    (refusal,) = want(machine(), "1", Candidate("huge", 9, 1, RAM))
    assert isinstance(refusal, Refuse)
    assert refusal.reason.message == "huge needs 9 bytes on cpu; the budget is 8 bytes on cpu"


def test_a_model_that_grows_is_charged_for_it_and_others_make_room() -> None:
    core = machine()
    resident(core, Candidate("idle", 5, 1, GPU))
    resident(core, Candidate("busy", 4, 1, GPU))
    want(core, "1", Candidate("busy", 4, 1, GPU), now=1.0)
    effects = core.handle(Measured("busy", 7), 2.0)
    assert Evict("idle") in effects
    core.handle(Evicted("idle"), 2.0)
    core.handle(Released("1"), 3.0)
    assert core.memory.charges(Candidate("busy", 4, 1, GPU)) == {GPU: 7}, "also for later loads"


def test_memory_that_others_take_of_one_device_leaves_the_other_alone() -> None:
    core = machine()
    resident(core, Candidate("on-cpu", 6, 1, RAM))
    resident(core, Candidate("on-gpu", 6, 1, GPU))
    assert Evict("on-cpu") in core.handle(ForeignChanged(2, RAM), 1.0)
    assert core.memory.residencies["on-gpu"].state == "resident"


sizes = st.integers(1, 10)
placed = st.builds(
    Candidate,
    model=st.sampled_from(["a", "b", "c", "d"]),
    bytes=sizes,
    slots=st.just(1),
    device=st.sampled_from([GPU, RAM]),
    host=st.integers(0, 3),
)


@settings(deadline=None)
@given(st.lists(placed, max_size=4, unique_by=lambda c: c.model), placed)
def test_victims_are_enough_and_none_of_them_is_useless(
    here: list[Candidate], wanted: Candidate
) -> None:
    memory = Memory({GPU: 10, RAM: 8})
    for candidate in here:
        memory.charge(candidate, Load, 0.0)
        memory.move(candidate.model, Loaded)
    charges = memory.charges(wanted)
    chosen = victims(memory, charges, anyone)
    free = memory.free()
    if chosen is None:
        assert not fits(charges, memory.budgets)
        return
    for model in chosen:
        assert memory.residencies[model].charges.keys() & charges.keys()
        for device, size in memory.residencies[model].charges.items():
            free[device] += size
    assert fits(charges, free)


@settings(deadline=None)
@given(st.lists(st.tuples(placed, st.floats(0, 9)), max_size=12))
def test_no_load_exceeds_any_budget_and_history_replays(
    asked: list[tuple[Candidate, float]],
) -> None:
    core, now = machine(), 0.0
    for number, (candidate, pause) in enumerate(asked):
        now += pause
        waiting = want(core, f"l{number}", candidate, now=now)
        while waiting:
            effect = waiting.pop()
            match effect:
                case Load(model):
                    assert all(room >= 0 for room in core.memory.free().values())
                    waiting += core.handle(Loaded(model, 0), now)
                case Evict(model):
                    waiting += core.handle(Evicted(model), now)
                case Grant(lease, _, _):
                    waiting += core.handle(Released(lease), now)
                case _:
                    pass
        if core.timer is not None and core.timer <= now:
            core.handle(Tick(), now)
        assert core.validate() == []
    again = replay({GPU: 10, RAM: 8}, core.history)
    assert again.memory.residencies == core.memory.residencies
