"""The launcher: `python -I -S launch.py CONTROL REPORT`, one per run, or forked by a zygote (`--zygote SOCKET`).

It reads the job from the control socket, reads the staged sources without running them, forks, and
supervises; the child confines itself and runs pytest, a script or an evaluation in this same
interpreter, so a run costs one start of Python. At the bwrap level the child becomes bubblewrap, which starts this
file once more inside (`--inner JOB REPORT`).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType

OURS = Path(__file__).parents[2]
# The packages around this folder are not run (inside bubblewrap they are not even there), and the
# folder that contains them may be site-packages, on which the guest's own imports depend.
for name, folder in (("atos_servers", OURS), ("atos_servers.code_runner", OURS / "code_runner")):
    sys.modules[name] = package = ModuleType(name)
    package.__path__ = [str(folder)]

import contextlib
import json
import math
import resource
import signal
import socket
from dataclasses import asdict, replace
from typing import Any, NoReturn

from atos_servers.code_runner.sandbox import (
    confine,
    evaluate,
    guest_imports,
    jobs,
    kernel,
    removal,
    report,
    scan,
    split,
    supervise,
)
from atos_servers.code_runner.sandbox.job import Job, job_from_json

JOB_BYTES = 8 << 20
EXPECTED_BYTES = 4 << 20
"""Of the names of all tests together: they go to the host in one message."""
sys.dont_write_bytecode = True  # ours is cached (a third of the start time), a guest's is not


def _receive_line(control: socket.socket) -> bytes:
    line = b""
    while not line.endswith(b"\n") and len(line) < JOB_BYTES:
        if not (part := control.recv(65536)):
            sys.exit(0)  # the host is gone before it sent a job
        line += part
    return line


def _send(control: socket.socket, message: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):  # the host is gone; the clean-up goes on
        control.sendall(json.dumps(message).encode() + b"\n")


def _emitter(channel: socket.socket) -> report.Emit:
    key = channel.recv(report.KEY_BYTES, socket.MSG_WAITALL)
    emit = report.chained_writer(os.dup(channel.fileno()), key)
    channel.close()
    return emit


def _evaluate(job: Job, channel: socket.socket, supervisor: int) -> int:
    confine.confine(job, supervisor)
    guest_imports.add_packages(job)
    guest_imports.hide_atos()
    lines = evaluate.start(job, channel)  # before the key is here: no cell's memory has it
    return evaluate.relay(lines, _emitter(channel))


def _judge_outside(job: Job, channel: socket.socket, supervisor: int) -> int:
    from atos_servers.code_runner.sandbox import outside  # no other job should wait for it

    link = outside.start(job, channel, supervisor)  # before the key is here
    emit = _emitter(channel)
    confine.confine(job, supervisor)
    guest_imports.add_packages(replace(job, packages=()))  # nobody's are imported beside the report
    sys.meta_path.insert(0, outside.stand_ins(job, link))
    guest_imports.hide_atos()
    return jobs.run_pytest(job, emit, link.notes)


def _run_inside(job: Job, channel: socket.socket, supervisor: int) -> int:
    if job.outside:
        return _judge_outside(job, channel, supervisor)
    if job.kind == "evaluate":
        return _evaluate(job, channel, supervisor)
    remote = split.start(job, channel) if job.catalogue else None
    emit = _emitter(channel)
    confine.confine(job, supervisor)
    guest_imports.add_packages(job)
    if job.kind == "probe":
        emit(jobs.probe(job, remote))
        return 0
    if remote is not None:
        remote.install()
    guest_imports.hide_atos()
    if job.kind == "pytest":
        return jobs.run_pytest(job, emit)
    emit({"event": "started"})
    return jobs.run_script(job)


def _become_bwrap(job: Job, channel: socket.socket) -> None:
    copy = os.memfd_create("job", 0)  # a pipe would block on a long job before anybody reads it
    os.write(copy, job.to_json().encode())
    os.lseek(copy, 0, os.SEEK_SET)
    channel.set_inheritable(True)
    os.execv(job.bwrap[0], [*job.bwrap, "--inner", str(copy), str(channel.fileno())])


def _start(job: Job, control: socket.socket, channel: socket.socket) -> int:
    supervisor = os.getpid()
    child = os.fork()
    if child:
        channel.close()
        return child
    supervise.default_signals()
    control.close()
    if job.level == "bwrap":
        kernel.die_with(supervisor)
        _become_bwrap(job, channel)
    _end_with(job, _run_inside(job, channel, supervisor))


def _end_with(job: Job, code: int) -> NoReturn:
    """End the child; a script in the usual way, what only reports without tidying up."""
    if job.kind == "script":
        sys.exit(code)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # the code may have closed it
            stream.flush()
    os._exit(code)


def _parse_only(job: Job) -> list[dict[str, Any]]:
    space, seconds = job.limits.address_space, int(job.limits.wall)
    resource.setrlimit(resource.RLIMIT_AS, (space, space))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    return [asdict(problem) for problem in scan.problems(job.folder)]


def _read_tests(job: Job, control: socket.socket) -> tuple[Job, list[str]]:
    """Tell the host which tests the sources hold; return the job as it is to be run, and why it may not be."""
    if job.outside:
        from atos_servers.code_runner.sandbox import outside

        division = outside.divided(job)
        _send(control, {"division": asdict(division)})
        job = replace(job, outside=bool(division.outside))
        job = replace(job, arguments=division.outside or division.inside)
    expected = scan.expected_tests(job.folder, job.arguments, job.canary)
    refused = split.refusals(job) if job.catalogue else []
    if (size := len(json.dumps(expected))) > EXPECTED_BYTES:
        most = f"more than the {EXPECTED_BYTES} that one run may have"
        expected, refused = [], [f"the names of the tests take {size} bytes, {most}"]
    told = {"expected": expected, "refused": refused, "split": job.catalogue or job.outside}
    _send(control, told)
    return job, refused


def _run(job: Job, control: socket.socket, channel: socket.socket) -> None:
    if job.kind == "syntax":
        _send(control, {"started": True})
        _send(control, {"problems": _parse_only(job)})
        return
    if job.kind == "pytest":
        _send(control, {"reading": True})
        signal.alarm(math.ceil(job.limits.wall))  # it ends this process, which nobody watches yet
        job, refused = _read_tests(job, control)
        signal.alarm(0)
        if refused:
            return
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    supervise.raise_priority()
    end = supervise.supervise(job, control, lambda: _start(job, control, channel))
    _send(control, {"end": asdict(end)})


def main(control_descriptor: int, report_descriptor: int) -> None:
    """Supervise one run."""
    control = socket.socket(fileno=control_descriptor)
    channel = socket.socket(fileno=report_descriptor)
    for inherited in (control, channel):
        inherited.set_inheritable(False)
    supervise.handle_signals()
    job = job_from_json(_receive_line(control))
    with contextlib.suppress(supervise.StopRequested):
        _run(job, control, channel)  # the child leaves here by SystemExit
    if job.run_folder:
        supervise.normal_priority()
        removal.remove_folder(job.run_folder)
    sys.stderr.flush()
    os._exit(0)  # freeing what the interpreter holds takes as long as a short run


def inner(job_descriptor: int, report_descriptor: int) -> None:
    """Run the job inside bubblewrap."""
    with os.fdopen(job_descriptor, "rb") as source:
        job = job_from_json(source.read())
    channel = socket.socket(fileno=report_descriptor)
    channel.set_inheritable(False)
    _end_with(job, _run_inside(job, channel, os.getppid()))


def warm(connection_descriptor: int) -> None:
    """Fork a launcher at each request of the host."""
    from atos_servers.code_runner.sandbox import zygote  # no launcher should wait for it

    connection = socket.socket(fileno=connection_descriptor)
    connection.set_inheritable(False)
    zygote.serve(connection, main)


if __name__ == "__main__":
    if sys.argv[1] == "--zygote":
        warm(int(sys.argv[2]))
    elif sys.argv[1] == "--inner":
        inner(int(sys.argv[2]), int(sys.argv[3]))
    else:
        main(int(sys.argv[1]), int(sys.argv[2]))
