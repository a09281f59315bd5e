"""What a machine runs out of. It passes, or a person makes room: never the fault of a goal, nor of a call."""

from __future__ import annotations

import errno

from atos_protocol.errors import AtosError, BusyError, NoSpaceError

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""Numbers of errors that say that the disk is full."""
SCARCE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EBUSY})
"""Numbers of errors that say that something else is short for a moment: descriptors, memory, processes."""


def shortage_of(error: BaseException | None) -> AtosError | None:
    """Return what an error of the system says of the machine; None where it is short of nothing."""
    if not isinstance(error, OSError):
        return None
    if error.errno in FULL:
        return NoSpaceError(f"no space left on the disk: {error}", next_step="Free some space.")
    if error.errno in SCARCE:
        return BusyError(f"this machine has run out of something: {error}")
    return None
