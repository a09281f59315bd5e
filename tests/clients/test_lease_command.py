"""`atos-client lease`: the program does not outlive its lease."""

import signal
import subprocess
import sys

import pytest

RUN = "import sys; from atos.cli.leases import _run; raise SystemExit(_run([sys.executable, '-c', sys.argv[1]]))"
PROGRAM = "import sys, time; print('begun', flush=True); time.sleep(60)"


@pytest.mark.timeout(30)
def test_whoever_ends_the_command_ends_the_program() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", RUN, PROGRAM], stdout=subprocess.PIPE, text=True
    ) as lease:
        assert lease.stdout is not None
        assert lease.stdout.readline() == "begun\n"
        lease.send_signal(signal.SIGTERM)
        rest = lease.stdout.read()  # returns once the program, too, has closed it
        code = lease.wait(10)
    assert (rest, code) == ("", 128 + signal.SIGTERM)
