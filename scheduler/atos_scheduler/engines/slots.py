"""Which slots of a loaded model are free, and what each still remembers. Pure.

A slot keeps the keys and values of its last prompt: a prompt that begins like it costs only the rest.
But it also takes their place. So a slot is worth what it spares this prompt, less half of what it
would forget: another goal's prompt goes to an empty slot although it shares its first lines with all.
"""

from __future__ import annotations

import itertools

from atos_protocol.errors import BusyError


class Slots:
    """The slots of one model; a slot is taken for one reply and given back after it."""

    def __init__(self, model: str, count: int) -> None:
        self._model = model
        self._count = count
        self._idle = dict.fromkeys(range(count), "")
        """Free slot -> the prompt that it remembers; the one used least recently comes first."""

    def take(self, prompt: str) -> int:
        """Take the free slot that is worth most to this prompt.

        Raises:
            BusyError: none is free; llama.cpp would queue in silence, so this asks too much.
        """
        if not self._idle:
            message = f"all {self._count} slots of {self._model} are taken"
            raise BusyError(message, next_step="Wait for one of its replies to end.")
        slot = max(self._idle, key=lambda s: worth(self._idle[s], prompt))
        del self._idle[slot]
        return slot

    @property
    def busy(self) -> int:
        """Slots that are taken."""
        return self._count - len(self._idle)

    def give_back(self, slot: int, prompt: str) -> None:
        """Make a slot free again; it remembers the prompt that it served."""
        self._idle[slot] = prompt


def worth(remembered: str, prompt: str) -> int:
    """Return what a slot is worth to a prompt, in half characters."""
    same = itertools.takewhile(
        lambda pair: pair[0] == pair[1], zip(remembered, prompt, strict=False)
    )
    spared = sum(1 for _ in same)
    return 2 * spared - (len(remembered) - spared)
