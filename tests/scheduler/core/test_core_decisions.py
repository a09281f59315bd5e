"""What the core decides, case by case; times and sizes are small numbers."""

from dataclasses import replace

import pytest
from inline_snapshot import snapshot

from atos_protocol.scheduler_api import Demand
from atos_scheduler.core.effects import Effect, Evict, Grant, Load, Refuse, Revoke, SetTimer
from atos_scheduler.core.events import (
    Adopted,
    EngineLost,
    Event,
    Evicted,
    ForeignChanged,
    Loaded,
    LoadFailed,
    Released,
    Requested,
    Tick,
    UnloadAsked,
)
from atos_scheduler.core.policy import DEFERRAL, PATIENCE
from atos_scheduler.core.state_machine import Core, replay
from atos_scheduler.core.types import Candidate, Reason

BROKEN = Reason("load_failed", "broken file")
BATCH = Demand()


class Shell:
    """A core, and the clock that it is given."""

    def __init__(self, budget: int = 10) -> None:
        self.core = Core(budget)
        self.now = 0.0

    def hear(self, *events: Event) -> list[Effect]:
        """Feed events a second apart; return all effects but the timer's."""
        effects = list[Effect]()
        for event in events:
            self.now += 1
            effects += self.core.handle(event, self.now)
        return [e for e in effects if not isinstance(e, SetTimer)]

    def resident(self, **sizes: int) -> None:
        """Load idle models, the first one least recently used."""
        for model, size in sizes.items():
            self.hear(want(f"setup-{model}", (model, size)), Loaded(model, 0))
            self.hear(Released(f"setup-{model}"))


def want(
    lease: str,
    *models: tuple[str, int],
    slots: int = 1,
    demand: Demand = BATCH,
    pool: str = "",
    deadline: float = 1000.0,
) -> Requested:
    candidates = tuple(Candidate(name, size, slots) for name, size in models)
    return Requested(lease, candidates, demand, pool, deadline)


def test_the_least_recently_used_idle_model_goes_and_its_bytes_stay_charged_until_it_is_gone() -> (
    None
):
    shell = Shell()
    shell.resident(a=4, b=4)
    assert shell.hear(want("1", ("c", 6))) == [Evict("a")]
    assert shell.core.memory.committed == 8
    assert shell.hear(Evicted("a")) == [Load("c")]
    assert shell.hear(Loaded("c", 0)) == [Grant("1", "c", 2.0)]


def test_using_a_model_makes_it_the_last_to_go() -> None:
    shell = Shell()
    shell.resident(a=4, b=4)
    shell.hear(want("1", ("a", 4)), Released("1"))
    assert shell.hear(want("2", ("c", 6))) == [Evict("b")]


def test_a_busy_model_keeps_taking_leases_until_it_is_drained() -> None:
    shell = Shell()
    shell.resident(a=8)
    shell.hear(want("1", ("a", 8), slots=1))
    assert shell.hear(want("2", ("b", 8)), want("3", ("a", 8)), Released("1")) == [
        Grant("3", "a", 1.0)
    ]
    shell.now += PATIENCE["batch"]
    assert shell.hear(Tick(), want("4", ("a", 8)), Released("3")) == [Evict("a")]
    assert shell.hear(Evicted("a"), Loaded("b", 0)) == [Load("b"), Grant("2", "b", 97.0)]
    assert shell.hear(Released("2"), Evicted("b")) == [Evict("b"), Load("a")]


def test_a_claim_is_not_reconsidered_when_something_more_urgent_comes() -> None:
    shell = Shell()
    shell.resident(a=4, b=4)
    shell.hear(want("1", ("c", 6)))
    urgent = Demand(kind="interactive", priority=5)
    shell.hear(want("2", ("d", 6), demand=urgent))
    assert shell.hear(Evicted("a")) == [Load("c")]


def test_a_withdrawn_demand_gives_its_victims_free() -> None:
    shell = Shell()
    shell.resident(a=8)
    shell.hear(want("1", ("a", 8), slots=1), want("2", ("b", 8)))
    shell.now += PATIENCE["batch"]
    assert shell.hear(Tick(), want("3", ("a", 8)), Released("2"), Released("1")) == [
        Grant("3", "a", 2.0)
    ]


def test_an_urgent_demand_overtakes_recent_ones_but_not_those_that_waited_long() -> None:
    shell = Shell()
    shell.resident(a=8)
    shell.hear(want("held", ("a", 8)), want("old", ("a", 8)))
    shell.now += 25
    shell.hear(want("recent", ("a", 8)))
    shell.hear(want("urgent", ("a", 8), demand=Demand(priority=2)))
    order = list[Effect]()
    for lease in ("held", "old", "urgent", "recent"):
        order += shell.hear(Released(lease))
    assert [e.lease for e in order if isinstance(e, Grant)] == ["old", "urgent", "recent"]


def test_a_pool_prefers_a_resident_model_with_a_free_slot_then_a_resident_one_then_the_first() -> (
    None
):
    shell = Shell()
    shell.resident(b=4)
    pool = (("a", 4), ("b", 4))
    assert shell.hear(want("1", *pool, pool="p")) == [Grant("1", "b", 0.0)]
    assert shell.hear(want("2", *pool, pool="p")) == [], "it waits for the one that is there"
    shell.hear(EngineLost("b", BROKEN))
    assert shell.core.memory.residencies["a"].state == "loading"


def test_a_task_keeps_its_model_while_others_take_the_warm_one() -> None:
    shell = Shell()
    shell.resident(a=4)
    mine = Demand(goal="g", task="t", role="coder")
    shell.hear(want("1", ("a", 4), ("b", 4), demand=mine, pool="p"), Released("1"))
    shell.hear(UnloadAsked("a"), Evicted("a"))
    shell.resident(b=4)
    assert shell.hear(want("2", ("a", 4), ("b", 4), demand=mine, pool="p")) == [Load("a")]
    assert shell.hear(want("3", ("a", 4), ("b", 4), pool="p")) == [Grant("3", "b", 0.0)]


def test_a_pool_goes_on_with_its_next_model_if_one_does_not_load() -> None:
    shell = Shell()
    assert shell.hear(want("1", ("a", 4), ("b", 4), pool="p")) == [Load("a")]
    assert shell.hear(LoadFailed("a", BROKEN)) == [Load("b")]
    assert shell.hear(LoadFailed("b", BROKEN)) == [Refuse("1", BROKEN)]


def test_a_measurement_above_the_estimate_raises_the_charge_for_good() -> None:
    shell = Shell()
    shell.hear(want("1", ("a", 4)), Loaded("a", 6), Released("1"))
    assert shell.core.memory.committed == 6
    shell.hear(UnloadAsked("a"), Evicted("a"), want("2", ("a", 4)))
    assert shell.core.memory.committed == 6
    shell.hear(Loaded("a", 3))
    assert shell.core.memory.committed == 6, "the larger of the two stays"


def test_a_model_that_turns_out_too_large_is_sent_away_and_its_demand_refused() -> None:
    shell = Shell()
    shell.hear(want("1", ("a", 4)))
    refuse, evict = shell.hear(Loaded("a", 11))
    assert (refuse, evict) == snapshot(
        (
            Refuse(
                lease="1",
                reason=Reason(
                    code="refused",
                    message="a needs 11 bytes; the budget is 10 bytes",
                    next_step="Use a smaller model, a smaller context or fewer slots, or raise ATOS_BUDGET.",
                ),
            ),
            Evict(model="a"),
        )
    )


def test_foreign_memory_sends_idle_models_away_first_and_drains_the_rest() -> None:
    shell = Shell()
    shell.resident(a=4, b=4)
    shell.hear(want("1", ("a", 4)))
    assert shell.hear(ForeignChanged(5)) == [Evict("b")]
    assert shell.hear(Evicted("b"), ForeignChanged(3), want("2", ("a", 4))) == []
    assert shell.hear(Released("1")) == [Evict("a")]
    assert shell.hear(Evicted("a")) == [], "it fits only when the others give memory back"
    assert shell.hear(ForeignChanged(10)) == [Load("a")]


def test_a_demand_that_foreign_memory_keeps_from_loading_blocks_nobody_else() -> None:
    shell = Shell()
    shell.hear(ForeignChanged(5))
    assert shell.hear(want("1", ("big", 8)), want("2", ("small", 4))) == [Load("small")]


def test_a_lost_engine_ends_its_leases_and_late_releases_change_nothing() -> None:
    shell = Shell()
    shell.resident(a=4)
    crash = Reason("engine", "crashed")
    shell.hear(want("1", ("a", 4)))
    assert shell.hear(EngineLost("a", crash)) == [Revoke("1", crash)]
    assert shell.hear(want("2", ("a", 4)), Loaded("a", 0), Released("1")) == [
        Load("a"),
        Grant("2", "a", 1.0),
    ]
    assert shell.core.memory.residencies["a"].leases == {"2"}


def test_a_deadline_refuses_what_still_waits() -> None:
    shell = Shell()
    shell.resident(a=4)
    shell.hear(want("1", ("a", 4)), want("2", ("a", 4), deadline=20.0))
    shell.now = 19.0
    (refused,) = shell.hear(Tick())
    assert isinstance(refused, Refuse)
    assert (refused.lease, refused.reason.code) == ("2", "deadline")


def test_a_request_that_is_refused_or_revoked_is_forgotten_like_one_that_ended() -> None:
    shell, goal = Shell(), Demand(goal="g1")
    shell.resident(a=4)
    shell.hear(want("1", ("a", 4), demand=goal), want("2", ("a", 4), demand=goal, deadline=20.0))
    shell.hear(want("3", ("huge", 99), demand=goal))
    shell.now = 19.0
    shell.hear(Tick(), EngineLost("a", Reason("engine", "crashed")))

    receipts = shell.core.receipts
    assert receipts._of == {}  # pyright: ignore[reportPrivateUsage]
    assert (found := receipts.get("g1")) is not None
    assert found.requests == 3


def test_the_timer_names_the_next_moment_at_which_time_alone_changes_something() -> None:
    core = Core(10)
    core.handle(want("1", ("a", 8)), 1.0)
    core.handle(Loaded("a", 0), 2.0)
    effects = core.handle(want("2", ("b", 8), deadline=1000.0), 3.0)
    assert effects == [SetTimer(3.0 + DEFERRAL["batch"])]
    assert core.handle(Tick(), 33.0) == [SetTimer(3.0 + PATIENCE["batch"])]
    drained = core.handle(Tick(), 3.0 + PATIENCE["batch"])
    assert drained == [SetTimer(1000.0)]
    assert core.handle(Released("2"), 9.0) == [SetTimer(None)]


def test_adopted_models_are_charged_and_evicted_like_all_others() -> None:
    shell = Shell()
    shell.hear(Adopted(Candidate("a", 8, 1)))
    assert shell.core.memory.committed == 8
    assert shell.hear(want("1", ("b", 4))) == [Evict("a")]


def test_bytes_that_are_on_their_way_out_already_spare_other_models() -> None:
    shell = Shell()
    shell.resident(a=4, b=4)
    assert shell.hear(UnloadAsked("a"), want("1", ("c", 6))) == [Evict("a")]
    assert shell.hear(Evicted("a")) == [Load("c")]


def test_a_claim_takes_further_victims_when_the_budget_shrinks_meanwhile() -> None:
    shell = Shell()
    shell.resident(a=4, b=4)
    assert shell.hear(want("1", ("c", 6))) == [Evict("a")]
    assert shell.hear(ForeignChanged(8)) == [Evict("b")]
    assert shell.hear(Evicted("a"), Evicted("b")) == [Load("c")]


def test_a_claim_is_given_up_when_its_demand_is_served_otherwise() -> None:
    shell = Shell()
    shell.resident(a=8)
    shell.hear(want("1", ("a", 8)), want("2", ("c", 8), ("d", 2), pool="p"))
    shell.now += PATIENCE["batch"]
    assert shell.hear(Tick(), Adopted(Candidate("d", 2, 1))) == [Grant("2", "d", 92.0)]
    assert shell.hear(Released("1"), Released("2")) == [], "nothing has to go any more"


def test_a_task_whose_model_no_longer_fits_beside_foreign_memory_takes_another() -> None:
    shell = Shell()
    mine = Demand(goal="g", task="t", role="coder")
    pool = (("a", 8), ("b", 4))
    shell.hear(want("1", *pool, demand=mine, pool="p"), Loaded("a", 0), Released("1"))
    shell.hear(ForeignChanged(5), Evicted("a"))
    assert shell.hear(want("2", *pool, demand=mine, pool="p")) == [Load("b")]


def test_a_history_replays_to_the_same_state_and_other_effects_are_reported() -> None:
    shell = Shell()
    shell.resident(a=4, b=4)
    shell.hear(want("1", ("c", 6)))
    history = list(shell.core.history)
    assert replay(10, history).memory.residencies == shell.core.memory.residencies
    history[-1] = replace(history[-1], effects=())
    with pytest.raises(ValueError, match=r"Requested.*Evict"):
        replay(10, history)


def test_only_the_last_steps_are_remembered() -> None:
    core = Core(10, history=2)
    for now in range(5):
        core.handle(Tick(), now)
    assert [step.now for step in core.history] == [3, 4]


def test_a_transition_that_the_table_does_not_have_is_a_bug() -> None:
    shell = Shell()
    shell.hear(want("1", ("a", 4)))
    with pytest.raises(KeyError):
        shell.hear(want("1", ("a", 4)))
