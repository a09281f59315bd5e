"""What fits, what is refused and what is proposed: pure rules over catalogue and machine."""

from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inline_snapshot import snapshot

from atos_protocol.errors import NoSpaceError, NotFoundError, RefusedError
from atos_scheduler.catalogue.entries import Entries, load_entries
from atos_scheduler.models.survey import (
    Machine,
    check_fit,
    check_room,
    find,
    needed,
    offered,
    rows,
)

GB = 10**9
NOWHERE = Path("/nonexistent")


def machine(
    memory: int, *, kind: str = "cpu", now: int | None = None, disk: int = 90 * GB
) -> Machine:
    return Machine(kind, kind, memory if now is None else now, memory, disk)


def entries(found: Machine, model_set: str = "default") -> Entries:
    size = next((gib for gib in (4, 6, 9) if found.ceiling < gib << 30), 16)
    return profile_entries(found.kind, size << 30, model_set)


@cache
def profile_entries(kind: str, budget: int, model_set: str) -> Entries:
    return load_entries(NOWHERE, kind, budget, model_set)


@pytest.mark.parametrize(
    ("found", "name"),
    [
        (machine(18 * GB), "qwen2.5-coder:1.5b"),
        (machine(18 * GB, now=GB), "qwen2.5-coder:0.5b"),
        (machine(18 * GB, disk=GB), "qwen2.5-coder:0.5b"),
        (machine(4 * GB, kind="cuda"), "qwen2.5-coder:1.5b"),
        (machine(8 * GB, kind="cuda"), "qwen2.5-coder:7b"),
        (machine(8 * GB, kind="cuda", now=4 * GB), "granite4.1:3b"),
    ],
)
def test_the_first_choice_that_fits_memory_and_disk_is_proposed(found: Machine, name: str) -> None:
    offer = offered(entries(found), found, {}, unverified=False)
    assert offer is not None
    assert offer.name == name


def test_nothing_is_proposed_where_the_best_is_here_or_none_fits() -> None:
    large, small = machine(18 * GB), machine(GB // 2)
    here = {"qwen2.5-coder:1.5b": "ollama"}
    assert offered(entries(large), large, here, unverified=False) is None
    assert offered(entries(small), small, {}, unverified=False) is None


def test_a_model_that_is_not_for_everybody_is_never_proposed() -> None:
    found = machine(18 * GB)
    offer = offered(entries(found, "seed"), found, {}, unverified=True)
    assert offer is not None
    assert (offer.name, offer.licence) == ("qwen2.5-coder:7b", "Apache-2.0")


@settings(deadline=None)
@given(
    memory=st.integers(0, 64 * GB),
    now=st.integers(0, 64 * GB),
    disk=st.integers(0, 64 * GB),
    kind=st.sampled_from(["cpu", "cuda"]),
)
def test_what_is_proposed_always_passes_the_checks_of_the_pull(
    memory: int, now: int, disk: int, kind: str
) -> None:
    found = machine(memory, kind=kind, now=min(now, memory), disk=disk)
    catalogue = entries(found)
    if offer := offered(catalogue, found, {}, unverified=False):
        check_fit(offer.name, catalogue.models[offer.name], found)
        check_room(offer.name, offer.bytes, 0, found)
        assert (offer.permissive, offer.verified, offer.here) == (True, True, "")


def test_a_model_that_can_never_fit_is_refused_with_both_numbers() -> None:
    found = machine(4 * GB, kind="cuda")
    entry = entries(found).models["qwen2.5-coder:7b"]
    with pytest.raises(RefusedError) as refused:
        check_fit("qwen2.5-coder:7b", entry, found)
    assert str(refused.value) == snapshot(
        "qwen2.5-coder:7b needs 5.4 GB of memory, cuda can give 4.0 GB `atos-client models fit` shows what does."
    )
    assert refused.value.data == {"needs": needed(entry, "cuda"), "ceiling": 4 * GB}


def test_a_full_disk_is_said_before_the_first_byte() -> None:
    with pytest.raises(NoSpaceError) as refused:
        check_room("a", GB, 0, machine(GB, disk=GB))
    assert str(refused.value) == snapshot(
        "a needs 1.3 GB more on the disk (256 MB of it as a margin), 1.0 GB are free Free some room, or set ATOS_HOME to a larger disk."
    )
    check_room("a", GB, 0, machine(GB, disk=2 * GB))


def test_a_model_is_found_under_its_other_names_and_an_unknown_one_lists_the_known() -> None:
    catalogue = entries(machine(GB))
    assert find(catalogue, "qwen2.5-coder:1.5b-instruct")[0] == "qwen2.5-coder:1.5b"
    with pytest.raises(NotFoundError, match="no model 'atos-mini'") as unknown:
        find(catalogue, "atos-mini")
    assert "qwen2.5-coder:1.5b" in unknown.value.next_step


def test_the_list_begins_with_what_the_pools_want_and_names_every_licence() -> None:
    found = machine(18 * GB)
    listed = rows(entries(found), found, {"gemma2:2b-instruct": "ollama"})
    assert [row.name for row in listed][:2] == ["qwen2.5-coder:1.5b", "qwen2.5-coder:0.5b"]
    assert [row.name for row in listed if row.licence == "unknown"] == []
    assert {row.name: row.here for row in listed if row.here} == {"gemma2:2b": "ollama"}
