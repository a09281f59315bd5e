"""The seccomp filters, run in a small interpreter of the kernel's BPF: both architectures."""

import errno
import os
import socket
import struct

import pytest

from atos_servers.code_runner.sandbox import seccomp
from atos_servers.code_runner.sandbox.syscalls import AUDIT_ARCH, TABLES

KILL, ALLOW = "kill", "allow"
ALONE = seccomp.Provided(own_network=False, own_processes=False, landlock=7, own_user=False)
OLD_LANDLOCK = seccomp.Provided(own_network=False, own_processes=False, landlock=2, own_user=False)
DROPPED = seccomp.Provided(own_network=False, own_processes=False, landlock=7, own_user=True)
BWRAP = seccomp.Provided(own_network=True, own_processes=True, landlock=7, own_user=True)

machines = pytest.mark.parametrize("machine", ["x86_64", "aarch64"])


def answer(program: bytes, number: int, arguments: tuple[int, ...], arch: int) -> str | int:
    padded = [value & (2**64 - 1) for value in (*arguments, 0, 0, 0, 0, 0, 0)[:6]]
    data = struct.pack("=IIQ6Q", number, arch, 0, *padded)
    place, accumulator = 0, 0
    while True:
        code, yes, no, value = struct.unpack_from("HBBI", program, place * 8)
        place += 1
        match code:
            case 0x20:
                (accumulator,) = struct.unpack_from("I", data, value)
            case 0x54:
                accumulator &= value
            case 0x15:
                place += yes if accumulator == value else no
            case 0x25:
                place += yes if accumulator > value else no
            case 0x35:
                place += yes if accumulator >= value else no
            case 0x45:
                place += yes if accumulator & value else no
            case 0x06:
                if value == 0x80000000:
                    return KILL
                return ALLOW if value == 0x7FFF0000 else value & 0xFFFF
            case _:
                raise AssertionError(hex(code))


def general(machine: str, provided: seccomp.Provided, call: str, *arguments: int) -> str | int:
    program = seccomp.deny_list(seccomp.general(provided), machine)
    return answer(program, TABLES[machine][call], arguments, AUDIT_ARCH[machine])


@machines
@pytest.mark.parametrize("call", ["ptrace", "unshare", "bpf", "io_uring_setup", "memfd_create"])
def test_what_no_test_needs_is_refused_everywhere(machine: str, call: str) -> None:
    for provided in (ALONE, BWRAP):
        assert general(machine, provided, call) == errno.EPERM


@machines
def test_a_thread_may_be_made_and_a_namespace_may_not(machine: str) -> None:
    assert general(machine, BWRAP, "clone", 0x3D0F00) == ALLOW
    assert general(machine, BWRAP, "clone", 0x10000000 | 17) == errno.EPERM
    assert general(machine, BWRAP, "clone3") == errno.ENOSYS


@machines
def test_sockets_are_refused_where_the_network_is_shared(machine: str) -> None:
    assert general(machine, ALONE, "socket", socket.AF_UNIX) == errno.EAFNOSUPPORT
    assert general(machine, BWRAP, "socket", socket.AF_INET) == ALLOW
    stream, datagram = int(socket.SOCK_STREAM), int(socket.SOCK_DGRAM)
    assert general(machine, ALONE, "socketpair", socket.AF_UNIX, stream | 0o2000000) == ALLOW
    assert general(machine, ALONE, "socketpair", socket.AF_UNIX, datagram) == errno.EPERM
    assert general(machine, ALONE, "socketpair", socket.AF_UNIX, datagram | 0o4000) == errno.EPERM
    raw, packets = int(socket.SOCK_RAW), int(socket.SOCK_SEQPACKET)
    assert general(machine, ALONE, "socketpair", socket.AF_UNIX, raw) == errno.EPERM
    assert general(machine, ALONE, "socketpair", socket.AF_UNIX, packets | 0o4000) == ALLOW


@machines
def test_a_socket_that_leaves_its_network_namespace_is_refused_everywhere(machine: str) -> None:
    for provided in (ALONE, DROPPED, BWRAP):
        for family in [*range(46), 2**32 - 1]:
            if family not in (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6):
                assert general(machine, provided, "socket", family) == errno.EAFNOSUPPORT
            if family != socket.AF_UNIX:
                assert general(machine, provided, "socketpair", family) == errno.EAFNOSUPPORT
    for family in (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6):
        assert general(machine, BWRAP, "socket", family, 1) == ALLOW
    assert general(machine, BWRAP, "socketpair", socket.AF_UNIX, 2) == ALLOW


@machines
def test_code_can_not_hide_what_it_holds_open(machine: str) -> None:
    assert general(machine, BWRAP, "prctl", 4, 0) == errno.EPERM
    assert general(machine, BWRAP, "prctl", 38, 1) == ALLOW


@machines
def test_nobody_is_made_the_owner_of_a_descriptor(machine: str) -> None:
    for provided in (ALONE, OLD_LANDLOCK, DROPPED, BWRAP):
        for what in (8, 10, 15):
            assert general(machine, provided, "fcntl", 3, what, 1) == errno.EPERM
        for what in (0x8901, 0x8902):
            assert general(machine, provided, "ioctl", 3, what, 1) == errno.EPERM
    assert general(machine, ALONE, "fcntl", 3, 4, os.O_NONBLOCK) == ALLOW


@machines
def test_what_other_programs_share_is_reached_by_no_number(machine: str) -> None:
    for call in ("shmat", "shmctl", "semop", "semctl", "msgrcv", "msgsnd", "msgctl", "mq_unlink"):
        assert general(machine, ALONE, call, 0, 0, 0) == errno.EPERM
        assert general(machine, BWRAP, call, 0, 0, 0) == errno.EPERM


@machines
def test_files_outside_are_neither_watched_nor_asked_for_attributes(machine: str) -> None:
    for provided in (ALONE, DROPPED):
        assert general(machine, provided, "inotify_add_watch") == errno.EPERM
        for call in ("getxattr", "lgetxattr", "listxattr", "llistxattr"):
            assert general(machine, provided, call) == errno.ENOTSUP
    assert general(machine, BWRAP, "inotify_add_watch") == ALLOW


@machines
def test_limits_of_other_processes_are_out_of_reach(machine: str) -> None:
    assert general(machine, ALONE, "prlimit64", 0) == ALLOW
    assert general(machine, ALONE, "prlimit64", os.getppid()) == errno.EPERM


@machines
def test_modes_seem_to_change_where_the_user_owns_things_outside(machine: str) -> None:
    assert general(machine, ALONE, "fchmod") == 0
    assert general(machine, ALONE, "fchown") == errno.EPERM
    assert general(machine, DROPPED, "fchmod") == ALLOW


@machines
def test_signals_are_filtered_where_landlock_does_not_scope_them(machine: str) -> None:
    assert general(machine, OLD_LANDLOCK, "kill", os.getpid(), 9) == ALLOW
    assert general(machine, OLD_LANDLOCK, "kill", 1, 9) == errno.EPERM
    assert general(machine, OLD_LANDLOCK, "kill", -1, 9) == errno.EPERM
    assert general(machine, OLD_LANDLOCK, "pidfd_send_signal", os.getpid(), 9) == errno.EPERM
    assert general(machine, ALONE, "kill", 1, 9) == ALLOW  # Landlock says no


@machines
def test_truncation_is_filtered_where_landlock_does_not_cover_it(machine: str) -> None:
    cut = os.O_RDONLY | os.O_TRUNC
    assert general(machine, OLD_LANDLOCK, "openat", 0, 0, cut) == errno.EACCES
    assert general(machine, OLD_LANDLOCK, "openat", 0, 0, os.O_WRONLY | os.O_TRUNC) == ALLOW
    assert general(machine, OLD_LANDLOCK, "truncate") == errno.EPERM
    assert general(machine, ALONE, "openat", 0, 0, cut) == ALLOW


@machines
def test_a_call_from_the_future_does_not_exist(machine: str) -> None:
    program = seccomp.deny_list(seccomp.general(BWRAP), machine)
    assert answer(program, 470, (), AUDIT_ARCH[machine]) == errno.ENOSYS


@machines
def test_another_architectures_numbers_end_the_process(machine: str) -> None:
    program = seccomp.deny_list(seccomp.general(BWRAP), machine)
    assert answer(program, 0, (), 0x40000003) == KILL


def test_the_x32_numbers_end_the_process() -> None:
    program = seccomp.deny_list(seccomp.general(BWRAP), "x86_64")
    assert answer(program, 0x40000000 | 59, (), AUDIT_ARCH["x86_64"]) == KILL


@machines
def test_reading_tests_can_open_to_read_and_change_nothing(machine: str) -> None:
    program = seccomp.deny_list(seccomp.reading(ALONE), machine)

    def asked(call: str, *arguments: int) -> str | int:
        return answer(program, TABLES[machine][call], arguments, AUDIT_ARCH[machine])

    assert asked("openat", 0, 0, os.O_RDONLY | os.O_CLOEXEC) == ALLOW
    for flags in (os.O_WRONLY, os.O_RDWR, os.O_RDONLY | os.O_CREAT):
        assert asked("openat", 0, 0, flags) == errno.EACCES
    for call in ("unlinkat", "renameat2", "execve", "mkdirat", "openat2"):
        assert asked(call) == errno.EPERM
    assert asked("clone", 17) == errno.EPERM
    assert asked("clone", 0x3D0F00) == ALLOW


@machines
def test_the_code_process_can_compute_and_open_nothing(machine: str) -> None:
    program = seccomp.allow_list(seccomp.COMPUTES, machine)
    table = TABLES[machine]
    for call in ("read", "write", "mmap", "futex", "exit_group", "recvfrom", "sendto"):
        assert answer(program, table[call], (), AUDIT_ARCH[machine]) == ALLOW
    for call in set(table) - set(seccomp.COMPUTES):
        assert answer(program, table[call], (), AUDIT_ARCH[machine]) == errno.EPERM
    for call in ("openat", "openat2", "execve", "clone", "clone3", "socket", "kill", "unlinkat"):
        assert call not in seccomp.COMPUTES


@machines
def test_a_cell_starts_threads_alone_and_signals_itself_alone(machine: str) -> None:
    program = seccomp.deny_list(seccomp.single(77), machine)

    def asked(call: str, *arguments: int) -> str | int:
        return answer(program, TABLES[machine][call], arguments, AUDIT_ARCH[machine])

    assert asked("clone", 0x10000) == ALLOW
    assert asked("clone", 17) == errno.EPERM
    assert asked("kill", 77, 9) == ALLOW
    for pid in (1, 76, 0, -1, -77):
        assert asked("kill", pid, 9) == errno.EPERM
    assert asked("setsid") == asked("setpgid", 0, 0) == errno.EPERM


@machines
def test_a_candidate_reaches_nobody_who_goes_on_with_the_others(machine: str) -> None:
    program = seccomp.deny_list(seccomp.apart((7, 8, -9, -1)), machine)

    def asked(call: str, *arguments: int) -> str | int:
        return answer(program, TABLES[machine][call], arguments, AUDIT_ARCH[machine])

    for call in ("kill", "tkill", "tgkill", "rt_sigqueueinfo"):
        assert [asked(call, pid, 19) for pid in (7, 8, -9, -1)] == [errno.EPERM] * 4
        assert asked(call, 10, 9) == ALLOW  # what it has started itself
    for call in (
        "setsid",
        "setpgid",
        "pidfd_send_signal",
        "setpriority",
        "sched_setaffinity",
        "setxattr",
    ):
        assert asked(call, 7, 0) == errno.EPERM
    assert (asked("prlimit64", 0), asked("prlimit64", 7)) == (ALLOW, errno.EPERM)
    assert asked("clone", 17) == ALLOW
