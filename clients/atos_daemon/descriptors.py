"""How many files and sockets a daemon may have open, and how many of them are for connections."""

from __future__ import annotations

import resource

OWN = 256
"""Descriptors for everything but accepted connections: databases, logs, children, outgoing connections."""
MOST = 384
"""Most connections on one listener. Two of them and `OWN` stay below 1,024, which `select` can't pass."""
FEWEST = 16
SOFT_LIMIT = 65_536
"""What the soft limit is raised to, where the hard limit allows it."""


def raise_soft_limit() -> None:
    """Let this process open as many descriptors as the system grants without being asked for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = SOFT_LIMIT if hard == resource.RLIM_INFINITY else min(hard, SOFT_LIMIT)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def connections_per_listener() -> int:
    """Return how many connections one of a daemon's two listeners may hold."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MOST
    return max(FEWEST, min(MOST, (soft - OWN) // 2))
