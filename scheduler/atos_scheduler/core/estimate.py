"""Bytes that a model will need, before anybody has measured it.

    footprint = weights + context x slots x kv_per_token + compute + overhead

Weights are the tensors' bytes (the file's size, near enough). Each slot has its own key/value cache
at full context: 2 (K and V) x layers x kv_heads x head_dim x bytes per element, per token; grouped
queries are why it is kv_heads, not heads (Ainslie et al. 2023); layers that look at a window only keep no
more than that. On a GPU `compute` is llama.cpp's graph buffer, about 4 x ubatch x (vocabulary + embedding).
On the CPU that buffer is reserved and hardly touched; what counts is the tokenizer, by its tokens and merges.
`overhead` is what one more process costs: a CUDA context, or an interpreter. Against published `ollama ps`
output for qwen2.5 and qwen3 at 4k the sum is 4 to 18 % too high, which is the side to err on; against the
resident peaks of three models on the CPU see docs/engines.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from atos_scheduler.core.types import MIB

OVERHEAD = {"cuda": 150 * MIB, "cpu": 40 * MIB, "simulated": 0}
"""Bytes per loaded model beside its own buffers, by kind of device."""

WEIGHTS_PER_TOKEN = 16_384
"""Weights bytes per key/value byte of one token, where a model's shape is unknown.

Of the models listed in models.yaml it is 5,900 (phi3.5) to 76,000 (qwen2.5:7b)."""

COMPUTE_LIMIT = 304 * MIB
"""The largest graph buffer seen in logs of models up to 7B at a batch of 512."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a model's footprint depends on; 0 where it is not known."""

    weights: int
    kv_per_token: int = 0
    compute: int = 0
    kv_window: int = 0
    """Key/value bytes of one slot in layers that see a window only, whatever the context."""
    tokens: int = 0
    """Of the vocabulary."""
    merges: int = 0


PROMPT_CACHE_CONTEXTS = 2
"""Contexts that the prompt cache holds beside the slot: the prompts of samples, testers and of
another goal, each of a third of the context or so."""
PROMPT_CACHE_LIMIT = 512 * MIB


BATCH = 512
"""Tokens that llama.cpp reads at once unless it is told otherwise."""
RUNTIME, TOKEN, MERGE = 18 * MIB, 170, 235
"""Bytes on the CPU beside weights and cache: fitted to Qwen2.5-Coder-0.5B and Gemma-3-270M."""
CACHE_BITS = {"f16": 16, "q8_0": 8.5}
"""Type of the key/value cache -> bits of one element, its scales included."""


def compute_bytes(shape: Shape, device: str) -> int:
    """Return the bytes beside weights, cache and process: known, derived, or guessed from the weights."""
    if device == "cpu" and shape.tokens:
        return RUNTIME + shape.tokens * TOKEN + shape.merges * MERGE
    if shape.compute:
        return shape.compute
    if shape.tokens:
        return 8 * MIB + 4 * BATCH * shape.tokens
    return min(COMPUTE_LIMIT, 8 * MIB + shape.weights // 4)


def per_token(shape: Shape) -> int:
    """Return the key/value bytes of one token, known or guessed from the weights."""
    return shape.kv_per_token or -(-shape.weights // WEIGHTS_PER_TOKEN)


def prompt_cache(shape: Shape, context: int) -> int:
    """Return the bytes of the prompt cache of a model with one slot, in whole MiB."""
    wanted = min(PROMPT_CACHE_LIMIT, PROMPT_CACHE_CONTEXTS * context * per_token(shape))
    return -(-wanted // MIB) * MIB


def footprint(shape: Shape, context: int, slots: int, device: str, cache: str = "f16") -> int:
    """Estimate the bytes of a loaded model with `slots` of `context` tokens each."""
    slot = context * per_token(shape) + shape.kv_window
    kept = int(slots * slot * CACHE_BITS[cache] / CACHE_BITS["f16"])
    return shape.weights + kept + compute_bytes(shape, device) + OVERHEAD.get(device, 0)
