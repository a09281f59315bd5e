"""What a machine runs out of. It passes, or a person makes room: never the fault of a goal."""

from __future__ import annotations

import errno

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""Numbers of errors that say that the disk is full."""
SCARCE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EBUSY})
"""Numbers of errors that say that something else is short for a moment: descriptors, memory, processes."""
