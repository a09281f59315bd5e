"""What the models of the shipped pools take of a small card, and how fast they load and answer. Assumptions."""

from __future__ import annotations

from dataclasses import dataclass

from atos_scheduler.core.types import Candidate

MIB = 1 << 20
CONTEXT = 150
"""MiB of the CUDA context of one engine process."""
LOAD_FIXED, LOAD_BANDWIDTH = 0.8, 2.5
"""Seconds, and GB a second from a warm page cache; loads that overlap share the bandwidth."""
UNLOAD = 0.7
PROMPT_RATE = 1500.0 / 42
"""Tokens of a prompt read while one token of a reply would be written alone, times the model's rate."""
SPILL = 3.0
"""How much slower a model is that was loaded beyond the budget: layers of it are on the CPU."""
BUDGETS = {"6 GB": 5500 * MIB, "8 GB": 7500 * MIB}


@dataclass(frozen=True, slots=True)
class Hardware:
    """One model at 4,096 tokens of q8_0 cache a slot; sizes in MiB."""

    weights: int
    """With the compute buffer."""
    cache: int
    """Of one slot."""
    file: float
    """GB that are read."""
    rate: float
    """Tokens a second of one reply alone."""
    blob: str
    """Ollama's order among idle models."""

    def bytes(self, slots: int) -> int:
        """Return the footprint with so many slots."""
        return (self.weights + CONTEXT + slots * self.cache) * MIB

    def predicted(self, slots: int) -> int:
        """Return what Ollama predicts for its 80 % rule: the file and an f16 cache."""
        return int(self.file * 1e9) + 2 * slots * self.cache * MIB

    @property
    def load_seconds(self) -> float:
        """Time of a load alone."""
        return LOAD_FIXED + self.file / LOAD_BANDWIDTH

    def seconds(self, prompt: int, tokens: int) -> float:
        """Return the time of one reply alone on the card."""
        return prompt / (PROMPT_RATE * self.rate) + tokens / self.rate


MODELS = {
    "orch7b": Hardware(4478, 119, 4.68, 42, "c1"),
    "coder7b": Hardware(4478, 119, 4.68, 42, "60"),
    "phi3.8b": Hardware(2534, 580, 2.39, 62, "8f"),
    "gemma2b": Hardware(2134, 221, 1.71, 85, "74"),
    "q3b": Hardware(2141, 77, 1.93, 80, "5e"),
    "q1.5b": Hardware(1240, 60, 0.99, 130, "18"),
}


def candidate(model: str, slots: int, most_slots: int = 0) -> Candidate:
    """Return a model as a demand names it; with `most_slots` their number is decided at each load."""
    found = MODELS[model]
    further = found.cache * MIB if most_slots > slots else 0
    return Candidate(model, found.bytes(slots), slots, most_slots=most_slots, slot_bytes=further)


def efficiency(slots: int) -> float:
    """Return how many single replies' worth of tokens a batch of so many writes at once."""
    return slots / (1 + 0.25 * (slots - 1))
