"""Programs of others end with what they have started, however they end."""

import subprocess

import pytest

from atos_servers.code_runner.sandbox.processes import state_and_parent
from atos_servers.deployment.process_group import run_in_group
from doubles.eventually import eventually

pytestmark = pytest.mark.anyio

LEAVES = "sleep 60 >/dev/null 2>&1 & echo $!"


@pytest.mark.parametrize(
    ("last", "seconds"), [("exit 0", 20.0), ("exit 3", 20.0), ("sleep 60", 0.5)]
)
async def test_what_a_program_has_left_running_ends_with_it(last: str, seconds: float) -> None:
    environment = {"PATH": "/usr/bin:/bin"}
    try:
        said = run_in_group(["sh", "-c", f"{LEAVES}; {last}"], environment, seconds).output
    except subprocess.TimeoutExpired as error:
        said = bytes(error.output or b"").decode()
    left = int(said)
    await eventually(lambda: state_and_parent(left)[0] in {"", "Z", "X"})
