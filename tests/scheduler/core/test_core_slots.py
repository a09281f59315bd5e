"""With how many slots a model is loaded, and what a pinned model is spared."""

from hypothesis import given, settings
from hypothesis import strategies as st

from atos_protocol.scheduler_api import Demand
from atos_scheduler.core.effects import Effect, Evict, Grant, Load, SetTimer
from atos_scheduler.core.events import (
    Event,
    Evicted,
    Loaded,
    PlanPublished,
    Released,
    Requested,
    Tick,
)
from atos_scheduler.core.further_slots import further_slots
from atos_scheduler.core.plans import PlannedStep
from atos_scheduler.core.policy import PATIENCE
from atos_scheduler.core.state_machine import Core, replay
from atos_scheduler.core.types import Candidate

FAR = 10_000.0
WIDE = Candidate("wide", 4, 2, most_slots=6, slot_bytes=1)
"""Two slots in four bytes, and up to four more of one byte each."""


class Shell:
    """A core of ten bytes."""

    def __init__(self) -> None:
        self.core = Core(10)

    def at(self, now: float, event: Event) -> list[Effect]:
        effects = self.core.handle(event, now)
        assert self.core.validate() == []
        return [e for e in effects if not isinstance(e, SetTimer)]

    def ask(self, now: float, lease: str, candidate: Candidate) -> list[Effect]:
        return self.at(now, Requested(lease, (candidate,), Demand(), "", FAR))

    def busy(self, size: int) -> None:
        """Fill some bytes with a model that answers."""
        self.ask(0, "other", Candidate("other", size, 1))
        self.at(1, Loaded("other", 0))


def test_a_model_gets_the_slots_that_waiting_work_can_use() -> None:
    shell = Shell()
    shell.busy(8)
    for number in range(5):
        shell.ask(2, f"w{number}", WIDE)
    assert shell.at(3, Released("other")) == [Evict("other")]
    assert shell.at(4, Evicted("other")) == [Load("wide", 5)]
    assert shell.core.memory.committed == 7
    granted = shell.at(5, Loaded("wide", 0))
    assert [type(effect) for effect in granted] == [Grant] * 5


def test_a_plan_counts_before_its_requests_have_come() -> None:
    shell = Shell()
    steps = tuple(PlannedStep(str(number), (), (WIDE,)) for number in range(9))
    shell.at(0, PlanPublished("g", steps, FAR))
    assert shell.ask(0, "first", WIDE) == [Load("wide", 6)]


def test_no_slot_takes_the_room_of_a_model_that_known_work_needs() -> None:
    shell = Shell()
    steps = (
        *(PlannedStep(str(number), (), (WIDE,)) for number in range(9)),
        PlannedStep("then", ("0",), (Candidate("next", 5, 1),)),
    )
    shell.at(0, PlanPublished("g", steps, FAR))
    assert shell.ask(0, "first", WIDE) == [Load("wide", 3)], "4 + 1, and 5 stay free"


def test_what_further_slots_take_is_not_taken_for_the_models_own_size() -> None:
    shell = Shell()
    for number in range(4):
        shell.at(0, PlanPublished("g", (PlannedStep(f"{number}", (), (WIDE,)),), FAR))
    steps = tuple(PlannedStep(str(number), (), (WIDE,)) for number in range(6))
    shell.at(0, PlanPublished("g", steps, FAR))
    shell.ask(0, "first", WIDE)
    shell.at(1, Loaded("wide", 9))
    assert shell.core.memory.charges(WIDE) == {"": 5}, "9 were measured, 4 of them further slots"


def test_the_same_events_load_with_the_same_slots() -> None:
    shell = Shell()
    shell.busy(9)
    for number in range(4):
        shell.ask(2, f"w{number}", WIDE)
    shell.at(3, Released("other"))
    shell.at(4, Evicted("other"))
    again = replay(10, shell.core.history)
    assert again.memory.residencies == shell.core.memory.residencies


@settings(deadline=None)
@given(
    wanted=st.integers(0, 40),
    own=st.integers(1, 4),
    most=st.integers(0, 20),
    size=st.integers(0, 5),
    room=st.integers(-3, 30),
    others=st.lists(st.integers(0, 40), max_size=4),
)
def test_further_slots_fit_and_leave_room_for_what_fitted_before(
    wanted: int, own: int, most: int, size: int, room: int, others: list[int]
) -> None:
    candidate = Candidate("m", 10, own, most_slots=most, slot_bytes=size)
    found = further_slots(candidate, "", wanted, {"": room}, ({"": other} for other in others))
    assert 0 <= found <= max(0, min(wanted, most) - own)
    if found:
        left = room - found * size
        assert left >= 0
        assert all(other <= left for other in others if other <= room)


def test_a_pinned_model_goes_last_and_only_for_who_has_waited_long() -> None:
    shell = Shell()
    for lease, candidate in (
        ("1", Candidate("pinned", 4, 1, pinned=True)),
        ("2", Candidate("plain", 4, 1)),
    ):
        shell.ask(0, lease, candidate)
        shell.at(1, Loaded(candidate.model, 0))
        shell.at(2, Released(lease))
    assert shell.ask(10, "3", Candidate("new", 5, 1)) == [Evict("plain")], "though used later"
    shell.at(11, Evicted("plain"))
    shell.at(12, Loaded("new", 0))
    shell.at(13, Released("3"))
    assert shell.ask(20, "4", Candidate("large", 10, 1)) == [], "the pinned one has to stay"
    late = 20 + PATIENCE["batch"]
    while (moment := shell.core.timer) is not None and moment < late:
        assert shell.at(moment, Tick()) == []
    assert shell.core.timer == late
    assert sorted(str(e) for e in shell.at(late, Tick())) == [
        "Evict(model='new')",
        "Evict(model='pinned')",
    ]
