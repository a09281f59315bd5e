"""Prompts for what stands between a beginning and an end: fill in the middle. Pure.

Each family was trained on marks of its own; the GGUF header names the family.
"""

from __future__ import annotations

from atos_scheduler.gateway.options import refuse

BAR = "\uff5c"
"""A wide bar, which DeepSeek's marks have in place of `|`."""
MARKS = {
    "qwen2": ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
    "qwen3": ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
    "starcoder2": ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),
    "granite": ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),
    "gemma": ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
    "deepseek2": (f"<{BAR}fim▁begin{BAR}>", f"<{BAR}fim▁hole{BAR}>", f"<{BAR}fim▁end{BAR}>"),
    "simulated": ("<before>", "<after>", "<here>"),
}
"""Family -> marks before the beginning, the end, and the place to fill."""


def fills_in(family: str) -> bool:
    """Tell whether a family was trained to fill in."""
    return family in MARKS


def filled_in(model: str, family: str, prefix: str, suffix: str) -> str:
    """Return the prompt.

    Raises:
        UnsupportedError: the model's family was not trained for it.
    """
    if not fills_in(family):
        text = f'"{model}" does not support insert: its family ({family or "unknown"}) has no marks'
        refuse(text, "suffix")
    before, after, here = MARKS[family]
    return f"{before}{prefix}{after}{suffix}{here}"
