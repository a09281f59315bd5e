"""Settings files of models and pools: what is shipped, what may be laid over it, and complaints."""

from pathlib import Path

import pytest
from inline_snapshot import snapshot

from atos_protocol.errors import BadConfigError
from atos_scheduler.catalogue.contracts import samples_of
from atos_scheduler.catalogue.entries import load_entries
from atos_scheduler.models.store import stem
from atos_scheduler.models.survey import needed

GIB = 1 << 30
MIB = 1 << 20


def write(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("kind", "budget", "profile", "orchestrator", "complex_"),
    [
        ("cpu", 32 * GIB, "cpu", "qwen2.5-coder:1.5b", "qwen2.5-coder:1.5b"),
        ("cuda", 4 * GIB, "4gb", "granite4.1:3b", "qwen2.5-coder:1.5b"),
        ("cuda", 6 * GIB, "6gb", "qwen2.5-coder:7b", "qwen2.5-coder:7b"),
        ("cuda", 8 * GIB, "8gb", "qwen2.5-coder:7b", "qwen2.5-coder:7b"),
        ("cuda", 12 * GIB, "12gb", "granite4.1:8b", "qwen2.5-coder:7b"),
    ],
)
def test_every_card_has_its_profile(
    tmp_path: Path, kind: str, budget: int, profile: str, orchestrator: str, complex_: str
) -> None:
    entries = load_entries(tmp_path, kind, budget)
    assert entries.profile == profile
    assert set(entries.pools) == {"orchestrator", "simple", "medium", "complex", "mini"}
    assert entries.pools["orchestrator"].members[0] == orchestrator
    assert entries.pools["complex"].members[0] == complex_


def test_a_small_card_gets_two_slots_of_one_model(tmp_path: Path) -> None:
    entries = load_entries(tmp_path, "cuda", 4 * GIB)
    first = entries.pools["simple"].members[0]
    assert (first, entries.models[first].slots) == ("granite4.1:3b", 2)


@pytest.mark.parametrize("kind", ["cpu", "cuda"])
@pytest.mark.parametrize("gib", [4, 6, 8, 12])
def test_every_model_of_the_default_pools_is_permissive_pinned_and_hashed(
    tmp_path: Path, kind: str, gib: int
) -> None:
    entries = load_entries(tmp_path, kind, gib * GIB)
    members = {m for pool in entries.pools.values() for m in pool.members} - {"atos-mini"}
    models = {name: entries.models[name] for name in members}
    assert [n for n, m in models.items() if not (m.permissive and m.download)] == []
    assert [n for n, m in models.items() if m.download and not m.download.revision] == []


@pytest.mark.parametrize("gib", [4, 6, 8, 12])
def test_on_every_card_the_first_choices_fit_one_by_one(tmp_path: Path, gib: int) -> None:
    budget = gib * GIB - max(384 * MIB, gib * GIB // 20)
    entries = load_entries(tmp_path, "cuda", budget)
    firsts = {p.members[0] for name, p in entries.pools.items() if name != "mini"}
    needs = {name: needed(entries.models[name], "cuda") for name in firsts}
    assert [name for name, size in needs.items() if size > budget] == []
    if gib != 4:  # where planner and coder are not the same model, both stay in memory
        assert sum(needs.values()) <= budget


def test_a_task_asks_small_models_for_more_samples(tmp_path: Path) -> None:
    """The model that answers counts, not the one that the machine could hold."""
    for gib in (4, 8, 80):
        pool = load_entries(tmp_path, "cuda", gib * GIB).pools["complex"]
        sizes = (1_117_320_768, 4_700_000_000, 0)
        assert [samples_of(pool, size) for size in sizes] == [5, 3, 3]
    entries = load_entries(tmp_path, "cuda", 4 * GIB)
    assert samples_of(entries.pools["mini"], 1_000_000) == 1
    assert samples_of(entries.pools["complex"].model_copy(update={"samples": 2}), 1) == 2


def test_the_set_of_the_first_sketch_is_there_and_names_its_licences(tmp_path: Path) -> None:
    entries = load_entries(tmp_path, "cuda", 4 * GIB, "seed")
    assert entries.pools["complex"].members == ("qwen2.5-coder:3b",)
    assert not entries.models["qwen2.5-coder:3b"].permissive
    members = {m for pool in entries.pools.values() for m in pool.members}
    assert [name for name in members if not entries.models[name].licence] == []


def test_no_two_models_share_a_file_name(tmp_path: Path) -> None:
    stems = [stem(name) for name in load_entries(tmp_path, "cpu", GIB).models]
    assert sorted(set(stems)) == sorted(stems)


def test_own_files_are_laid_over_the_shipped_ones_field_by_field(tmp_path: Path) -> None:
    before = load_entries(tmp_path, "cuda", 8 * GIB)
    write(tmp_path, "models.yaml", "models:\n  qwen2.5:3b: {slots: 5}\n  mine: {context: 8192}\n")
    write(tmp_path, "agents.yaml", "pools:\n  simple:\n    members: [mine]\n")
    after = load_entries(tmp_path, "cuda", 8 * GIB)
    assert after.models["qwen2.5:3b"].slots == 5
    assert after.models["qwen2.5:3b"].weights == before.models["qwen2.5:3b"].weights
    assert after.models["mine"].context == 8192
    assert after.pools["simple"].members == ("mine",)
    assert after.pools["simple"].adopt == "smallest"
    assert after.pools["medium"] == before.pools["medium"]


def test_an_own_profile_may_change_one_field(tmp_path: Path) -> None:
    text = "models:\n  qwen2.5:3b:\n    profiles:\n      8gb: {slots: 4}\n"
    write(tmp_path, "models.yaml", text)
    assert load_entries(tmp_path, "cuda", 8 * GIB).models["qwen2.5:3b"].slots == 4
    assert load_entries(tmp_path, "cuda", 4 * GIB).models["qwen2.5:3b"].slots == 3


def test_an_own_plain_field_beats_a_shipped_profile(tmp_path: Path) -> None:
    write(tmp_path, "agents.yaml", "pools:\n  simple:\n    members: [gemma2:2b]\n")
    assert load_entries(tmp_path, "cpu", GIB).pools["simple"].members == ("gemma2:2b",)


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    before = load_entries(tmp_path, "cpu", GIB)
    write(tmp_path, "models.yaml", "# nothing yet\n")
    assert load_entries(tmp_path, "cpu", GIB) == before


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("models.yaml", "models:\n  a: {slots: 0}\n", "line 2, models.a.slots: '0' does not fit"),
        ("models.yaml", "models:\n  a: {slots: many}\n", "models.a.slots: 'many' does not fit"),
        ("models.yaml", "models:\n  a: {slot: 1}\n", "line 2, models.a.slot: unknown field"),
        ("models.yaml", "models:\n  a:\n    weights: 3XB\n", "line 3, models.a.weights: '3XB'"),
        ("models.yaml", "models:\n  a: {schema: 7}\n", "models.a.schema: '7' does not fit"),
        ("models.yaml", "models: [a]\n", "line 1, models: does not fit"),
        ("models.yaml", "models:\n  a: {aliases: [b, b]}\n", "models.a.aliases: does not fit"),
        ("models.yaml", "models:\n  a: {options: {top_p: 2}}\n", "models.a.options.top_p: '2'"),
        ("models.yaml", "models:\n  a: {options: {heat: 2}}\n", "options.heat: unknown field"),
        ("models.yaml", "model:\n  a: {}\n", "line 1, model: unknown field"),
        (
            "models.yaml",
            "models:\n  a: {download: {repository: a/b, file: a.gguf, bytes: 1, sha256: 12}}\n",
            "line 2, models.a.download.sha256: '12' does not fit",
        ),
        ("models.yaml", "- a\n", "line 1: must be a mapping of fields"),
        ("agents.yaml", "pools:\n  simple: {dialect: latin}\n", "'latin' does not fit"),
        ("agents.yaml", "pools:\n  simple: {members: x}\n", "pools.simple.members: 'x'"),
        (
            "agents.yaml",
            "pools:\n  simple:\n    profiles:\n      cpu: {out: 1}\n",
            "line 4, pools.simple.profiles.cpu.out: unknown field",
        ),
    ],
)
def test_a_mistake_is_named_with_file_line_and_field(
    tmp_path: Path, name: str, text: str, complaint: str
) -> None:
    write(tmp_path, name, text)
    with pytest.raises(BadConfigError) as caught:
        load_entries(tmp_path, "cpu", GIB)
    assert str(tmp_path / name) in caught.value.message
    assert complaint in caught.value.message
    assert caught.value.next_step


def test_an_unknown_field_comes_with_the_known_ones(tmp_path: Path) -> None:
    write(tmp_path, "agents.yaml", "pools:\n  simple:\n    profiles:\n      cpu: {out: 1}\n")
    with pytest.raises(BadConfigError) as caught:
        load_entries(tmp_path, "cpu", GIB)
    assert caught.value.next_step == snapshot(
        "Known are: adopt, context, dialect, members, output, reflect, samples, schema, system."
    )


def test_a_name_that_looks_like_a_number_is_kept_as_it_is_written(tmp_path: Path) -> None:
    write(tmp_path, "models.yaml", "models:\n  1.10: {aliases: [2.50]}\n")
    assert load_entries(tmp_path, "cpu", GIB).models["1.10"].aliases == ("2.50",)


def test_a_pool_can_promise_no_more_output_than_context(tmp_path: Path) -> None:
    write(tmp_path, "agents.yaml", "pools:\n  simple: {context: 1024}\n")
    with pytest.raises(BadConfigError) as caught:
        load_entries(tmp_path, "cpu", GIB)
    assert str(caught.value) == snapshot(
        "pool simple: output 2048 is above its context 1024 Change one of them in agents.yaml."
    )


def test_a_pool_lists_only_models_that_are_described(tmp_path: Path) -> None:
    write(tmp_path, "agents.yaml", "pools:\n  simple: {members: [ghost]}\n")
    with pytest.raises(BadConfigError, match="member 'ghost' is not in models"):
        load_entries(tmp_path, "cpu", GIB)
