"""What a person can do for a stronger sandbox, on the kind of machine that this is. Pure but for `this_machine`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

CONTAINER_MARKS = ("/.dockerenv", "/run/.containerenv")

INSTALL_BWRAP = (
    "Install bubblewrap from the distribution: apt install bubblewrap (never from PyPI)."
)
ALLOW_NAMESPACES = (
    "bubblewrap is there but user namespaces are refused: see that "
    "/proc/sys/user/max_user_namespaces is not 0, and that no security module refuses them."
)
UBUNTU_PROFILE = (
    "bubblewrap is there but AppArmor refuses user namespaces (Ubuntu 24.04 and newer): apt install "
    "apparmor-profiles, then ln -s /usr/share/apparmor/extra-profiles/bwrap-userns-restrict "
    "/etc/apparmor.d/ and apparmor_parser -r /etc/apparmor.d/bwrap-userns-restrict."
)
ALLOW_IN_CONTAINER = (
    "This is a container whose seccomp profile refuses user namespaces: start it with one that "
    "allows unshare, clone, mount, umount2 and pivot_root to unprivileged users."
)
ENABLE_LANDLOCK = (
    "Landlock is missing: use Linux 5.13 or newer with landlock among the boot parameter lsm=."
)
LANDLOCK_IN_CONTAINER = (
    "Landlock is missing: the container's seccomp profile must allow the landlock_* calls, and its "
    "machine needs Linux 5.13 or newer with landlock among the boot parameter lsm=."
)
LANDLOCK_ON_WSL = (
    "Landlock is missing: run `wsl --update` on Windows; kernels from 5.15.57 on have it, if "
    ".wslconfig does not take it out of kernelCommandLine (lsm=...,landlock)."
)
ENABLE_SECCOMP = "seccomp is missing: this kernel or container refuses prctl(PR_SET_SECCOMP)."


@dataclass(frozen=True, slots=True)
class Machine:
    """What the remedies depend on."""

    container: bool = False
    wsl: bool = False
    apparmor_restricts: bool = False
    """AppArmor lets only programs with a profile make user namespaces."""
    bwrap: bool = False
    """bubblewrap is installed."""


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def this_machine(*, bwrap: bool) -> Machine:
    """Look at what kind of machine this is."""
    return Machine(
        container=any(Path(mark).exists() for mark in CONTAINER_MARKS),
        wsl="microsoft" in _text("/proc/sys/kernel/osrelease").lower(),
        apparmor_restricts=_text("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1",
        bwrap=bwrap,
    )


def _for_bwrap(machine: Machine) -> str:
    if not machine.bwrap:
        return INSTALL_BWRAP
    if machine.apparmor_restricts:
        return UBUNTU_PROFILE
    return ALLOW_IN_CONTAINER if machine.container else ALLOW_NAMESPACES


def _for_landlock(machine: Machine) -> str:
    if machine.wsl:
        return LANDLOCK_ON_WSL
    return LANDLOCK_IN_CONTAINER if machine.container else ENABLE_LANDLOCK


def remedies(missing: Collection[str], machine: Machine) -> list[str]:
    """Return what would give the missing levels, strongest first."""
    steps = {
        "bwrap": _for_bwrap(machine),
        "landlock": _for_landlock(machine),
        "seccomp": ENABLE_SECCOMP,
    }
    return [step for level, step in steps.items() if level in missing]
