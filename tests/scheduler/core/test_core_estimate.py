"""Estimates against figures that were published, and their direction."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atos_scheduler.core.estimate import Shape, footprint, prompt_cache
from atos_scheduler.core.types import MIB, size_text

QWEN_7B = Shape(weights=4174 * MIB, kv_per_token=56 * 1024, compute=304 * MIB)


def test_qwen2_5_7b_at_4k_is_close_to_what_ollama_ps_shows() -> None:
    without_process = footprint(QWEN_7B, 4096, 1, "simulated")
    shown = 4_700_000_000
    assert shown <= without_process <= shown * 1.06


SMALL_MODELS = {
    "Qwen2.5-Coder-0.5B": Shape(491_400_064, 12_288, tokens=151_936, merges=151_387),
    "Gemma-3-270M": Shape(253_113_024, 3_072, kv_window=11_796_480, tokens=262_144),
    "Qwen2.5-Coder-1.5B": Shape(1_117_320_768, 28_672, tokens=151_936, merges=151_387),
}
PEAKS = {
    ("Qwen2.5-Coder-0.5B", 1, "f16"): 634,
    ("Qwen2.5-Coder-0.5B", 4, "f16"): 782,
    ("Qwen2.5-Coder-0.5B", 1, "q8_0"): 611,
    ("Qwen2.5-Coder-0.5B", 4, "q8_0"): 692,
    ("Gemma-3-270M", 1, "f16"): 373,
    ("Gemma-3-270M", 4, "f16"): 453,
    ("Gemma-3-270M", 1, "q8_0"): 362,
    ("Gemma-3-270M", 4, "q8_0"): 410,
    ("Qwen2.5-Coder-1.5B", 1, "f16"): 1295,
    ("Qwen2.5-Coder-1.5B", 4, "f16"): 1633,
    ("Qwen2.5-Coder-1.5B", 1, "q8_0"): 1243,
    ("Qwen2.5-Coder-1.5B", 4, "q8_0"): 1423,
}
"""Resident peak in MiB of a worker on the CPU at 4,096 tokens, after a prompt in every slot."""


@pytest.mark.parametrize(("model", "slots", "cache"), list(PEAKS))
def test_an_estimate_is_within_a_tenth_of_the_peak_that_was_measured(
    model: str, slots: int, cache: str
) -> None:
    estimate = footprint(SMALL_MODELS[model], 4096, slots, "cpu", cache) / MIB
    assert estimate == pytest.approx(PEAKS[model, slots, cache], rel=0.1)


def test_a_cuda_context_is_charged_per_model() -> None:
    more = footprint(QWEN_7B, 4096, 1, "cuda") - footprint(QWEN_7B, 4096, 1, "simulated")
    assert more == 150 * MIB


@given(
    weights=st.integers(1, 1 << 36),
    context=st.integers(128, 1 << 15),
    slots=st.integers(1, 8),
)
def test_more_slots_context_or_weights_never_need_less(
    weights: int, context: int, slots: int
) -> None:
    plain = footprint(Shape(weights), context, slots, "cpu")
    assert plain > weights
    assert footprint(Shape(weights + MIB), context, slots, "cpu") >= plain
    assert footprint(Shape(weights), context + 1, slots, "cpu") > plain
    assert footprint(Shape(weights), context, slots + 1, "cpu") > plain


def test_the_prompt_cache_holds_two_contexts_within_its_limit() -> None:
    small = Shape(weights=400 * MIB, kv_per_token=12 * 1024)
    assert prompt_cache(small, 4096) == 96 * MIB
    assert prompt_cache(QWEN_7B, 4096) == 448 * MIB
    assert prompt_cache(QWEN_7B, 32_768) == 512 * MIB


def test_sizes_are_written_for_people() -> None:
    assert [size_text(n) for n in (900, 5 * MIB, 4_947_802_324)] == [
        "900 bytes",
        "5.0 MiB",
        "4.6 GiB",
    ]
