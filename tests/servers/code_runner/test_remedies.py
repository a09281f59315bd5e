"""What would raise the sandbox's level, by the kind of machine."""

import pytest

from atos_servers.code_runner import remedies
from atos_servers.code_runner.remedies import Machine

EVERY = ("bwrap", "landlock", "seccomp")
STEPS: dict[str, tuple[Machine, list[str]]] = {
    "plain": (
        Machine(),
        [remedies.INSTALL_BWRAP, remedies.ENABLE_LANDLOCK, remedies.ENABLE_SECCOMP],
    ),
    "namespaces refused": (
        Machine(bwrap=True),
        [remedies.ALLOW_NAMESPACES, remedies.ENABLE_LANDLOCK, remedies.ENABLE_SECCOMP],
    ),
    "Ubuntu 24.04": (
        Machine(bwrap=True, apparmor_restricts=True),
        [remedies.UBUNTU_PROFILE, remedies.ENABLE_LANDLOCK, remedies.ENABLE_SECCOMP],
    ),
    "container": (
        Machine(bwrap=True, container=True),
        [remedies.ALLOW_IN_CONTAINER, remedies.LANDLOCK_IN_CONTAINER, remedies.ENABLE_SECCOMP],
    ),
    "WSL2": (
        Machine(wsl=True),
        [remedies.INSTALL_BWRAP, remedies.LANDLOCK_ON_WSL, remedies.ENABLE_SECCOMP],
    ),
}


@pytest.mark.parametrize("name", STEPS)
def test_each_kind_of_machine_has_its_own_steps_strongest_level_first(name: str) -> None:
    machine, steps = STEPS[name]
    assert remedies.remedies(EVERY, machine) == steps


@pytest.mark.parametrize("level", EVERY)
def test_only_what_is_missing_is_remedied(level: str) -> None:
    assert len(remedies.remedies([level], Machine())) == 1
    assert remedies.remedies([], Machine()) == []
