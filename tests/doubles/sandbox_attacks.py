"""Attacks on the sandbox, one expression each: what hostile code would do to get out, see more, or outlast its limits.

Each runs in a child of one sandboxed script, and has to be refused by an error that means refusal: an error that means
bad arguments (EINVAL, EFAULT) would only show that the attack was clumsy. Run as a program, this file tries them all
and prints what was not refused:

    python sandbox_attacks.py LEVEL FOLDER SECRET

What exhausts memory, disk, processes and time is in `test_sandbox_attacks.py`, with its limits.
"""

from __future__ import annotations

import ctypes
import json
import os
import secrets
import shutil
import socket
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio

from atos_servers.code_runner.interpreter import this_interpreter
from atos_servers.code_runner.launcher_process import LAUNCHER
from atos_servers.code_runner.requests import Script
from atos_servers.code_runner.run_folder import run_folder
from atos_servers.code_runner.runner import Runner
from atos_servers.code_runner.sandbox import landlock
from atos_servers.code_runner.sandbox.syscalls import TABLES, architecture
from atos_servers.code_runner.sandbox_probe import SandboxProbe

ATTACKS: dict[str, tuple[str, str]] = {
    # other processes
    "S1": ("read the memory of the server", "call('process_vm_readv', host, 0, 0, 0, 0, 0)"),
    "S2": ("write the memory of the server", "call('process_vm_writev', host, 0, 0, 0, 0, 0)"),
    "S3": ("read the memory of the parent by /proc", "open(f'/proc/{os.getppid()}/../{host}/mem', 'rb')"),
    "S4": ("take a descriptor of the server", "call('pidfd_getfd', os.pidfd_open(host), 1, 0)"),
    "S5": ("compare kernel objects of two processes", "call('kcmp', os.getpid(), host, 0, 0, 0)"),
    "S6": ("trace the server", "call('ptrace', 16, host, 0, 0)"),
    "S7": ("advise the kernel on the server's memory", "call('process_madvise', 0, 0, 0, 0, 0)"),
    "S8": ("look at the server's open files", "os.listdir(f'/proc/{host}/fd')"),
    "S9": ("read the server's environment", "open(f'/proc/{host}/environ', 'rb').read()"),
    "S10": ("enter the server's root by /proc", "open(f'/proc/{host}/root/' + secret).read()"),
    "S11": ("change the server's limits", "resource.prlimit(host, resource.RLIMIT_NOFILE, (0, 0))"),
    "S12": ("pin the server to one core", "os.sched_setaffinity(host, {0})"),
    "S13": ("get real-time priority over the server", "os.sched_setscheduler(host, os.SCHED_RR, os.sched_param(1))"),
    "S14": ("signal the server by a pidfd", "signal.pidfd_send_signal(os.pidfd_open(host), 0)"),
    "S15": ("kill the server", "os.kill(host, 0)"),
    # namespaces, mounts, devices
    "S16": ("make a user namespace", "call('unshare', 0x10000000)"),
    "S17": ("make a user namespace by clone", "call('clone', 0x10000011, 0, 0, 0, 0)"),
    "S18": ("make a namespace by clone3, whose flags no filter sees", "call('clone3', 0, 0)"),
    "S19": ("join another namespace", "call('setns', 0, 0)"),
    "S20": ("mount a file system", "call('mount', b'none', b'/tmp', b'tmpfs', 0, 0)"),
    "S21": ("unmount what is in the way", "call('umount2', b'/proc', 2)"),
    "S22": ("mount by the newer calls", "call('fsopen', b'tmpfs', 0)"),
    "S23": ("clone a mount", "call('open_tree', -100, b'/', 1)"),
    "S24": ("make a read-only mount writable", "call('mount_setattr', -100, b'/', 0, 0, 0)"),
    "S25": ("exchange the root", "call('pivot_root', b'.', b'.')"),
    "S26": ("change the root", "os.chroot('.')"),
    "S27": ("make a device of the disk", "os.mknod('disk', 0o060600, os.makedev(8, 0))"),
    "S28": ("read the machine's memory by its device", "open('/dev/mem', 'rb')"),
    "S29": ("write to the kernel's log", "open('/dev/kmsg', 'w')"),
    "S30": ("put input into the terminal", "fcntl.ioctl(0, 0x5412, b'x')"),
    # the kernel
    "S31": ("load a program into the kernel", "call('bpf', 0, 0, 0)"),
    "S32": ("open a performance counter", "call('perf_event_open', 0, 0, -1, -1, 0)"),
    "S33": ("handle page faults", "call('userfaultfd', 0)"),
    "S34": ("make a ring of calls that no filter sees", "call('io_uring_setup', 1, 0)"),
    "S35": ("load a module", "call('init_module', 0, 0, b'')"),
    "S36": ("load a module from a file", "call('finit_module', 0, b'', 0)"),
    "S37": ("load another kernel", "call('kexec_load', 0, 0, 0, 0)"),
    "S38": ("restart the machine", "call('reboot', 0, 0, 0, 0)"),
    "S39": ("use the keyrings of the user", "call('keyctl', 0, -4, 0, 0, 0)"),
    "S40": ("put a key there", "call('add_key', b'user', b'x', b'y', 1, -4)"),
    "S41": ("read the kernel's log", "call('syslog', 3, 0, 0)"),
    "S42": ("set the clock", "call('settimeofday', 0, 0)"),
    "S43": ("rename the machine", "call('sethostname', b'x', 1)"),
    "S44": ("turn address randomisation off", "call('personality', 0x0040000)"),
    "S45": ("swap to a file", "call('swapon', b'x', 0)"),
    "S46": ("have the kernel run a program at a crash", "open('/proc/sys/kernel/core_pattern', 'w')"),
    "S47": ("press the kernel's emergency keys", "open('/proc/sysrq-trigger', 'w')"),
    "S48": ("change a setting of the kernel", "open('/sys/kernel/uevent_helper', 'w')"),
    # memory that no process's size shows
    "S49": ("hold memory in a file without a name", "call('memfd_create', b'x', 0)"),
    "S50": ("hold memory that nobody can read", "call('memfd_secret', 0)"),
    "S51": ("hold memory in a shared segment", "call('shmget', 0, 1 << 20, 0o600)"),
    "S52": ("hold memory in message queues", "call('msgget', 0, 0o600)"),
    "S53": ("hold memory in named queues", "call('mq_open', b'x', 0o102, 0o600, 0)"),
    "S54": ("hide open files from the supervisor", "call('prctl', 4, 0, 0, 0, 0)"),
    # files
    "S55": ("open a file by its handle, past all folders", "call('open_by_handle_at', 0, 0, 0)"),
    "S56": ("watch every file of the machine", "call('fanotify_init', 0, 0)"),
    "S57": ("read what the person keeps", "open(secret).read()"),
    "S58": ("read it by a path through /proc/self", "open('/proc/self/root' + secret).read()"),
    "S59": ("read it through a link that the code makes", "(os.symlink(secret, 'link'), open('link').read())"),
    "S60": ("give the code's file a second name outside", "(open('mine', 'w').close(), os.link('mine', secret + '.mine'))"),
    "S61": ("see the workspace itself", "os.listdir(folder)"),
    "S62": ("read what another run was given", "open(other).read()"),
    "S63": ("plant code for the next interpreter", "open(site + '/planted.pth', 'w')"),
    "S64": ("change the launcher", "open(ours + '/launch.py', 'a')"),
    "S65": ("plant compiled code for the launcher", "open(ours + '/__pycache__/planted.pyc', 'w')"),
    "S66": ("become root", "become_root()"),
    "S67": ("raise a limit again", "resource.setrlimit(resource.RLIMIT_AS, (-1, -1))"),
    # others on the network
    "S68": ("reach a local server by its abstract name", "socket.socket(socket.AF_UNIX).connect(chr(0) + abstract)"),
    "S69": ("reach a server of this machine over IPv6", "socket.socket(socket.AF_INET6).connect(('::1', port))"),
    "S70": ("see all packets", "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)"),
    "S71": ("reach the host of a virtual machine", "socket.socket(socket.AF_VSOCK)"),
    "S72": ("change the network's settings", "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)"),
    "S73": ("use the kernel's ciphers", "socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET)"),
    # by numbers, names and types that no path rule covers
    "S86": ("send to a server by a raw pair, which is a datagram pair",
        "socket.socketpair(socket.AF_UNIX, socket.SOCK_RAW)[0].sendto(b'x', datagrams)"),
    "S87": ("have the kernel kill the server, as the owner of a descriptor", "fcntl.fcntl(0, fcntl.F_SETOWN, host)"),
    "S88": ("have the kernel send another signal than it would", "fcntl.fcntl(0, 10, 9)"),
    "S89": ("attach a shared segment of another program", "call('shmat', segment, 0, 0o10000)"),
    "S90": ("remove a shared segment of another program", "call('shmctl', segment, 0, 0)"),
    "S91": ("look through all shared segments", "call('shmctl', 0, 13, libc_buffer)"),
    "S92": ("take messages from another program's queue", "call('msgrcv', 0, libc_buffer, 8, 0, 0o4000)"),
    "S93": ("watch the names of files outside", "call('inotify_add_watch', libc.inotify_init1(0), parent.encode(), 0xfff)"),
    "S94": ("read what is noted at a file outside", "os.getxattr(secret, 'user.noted')"),
}  # fmt: skip
"""Id -> what is attempted, and the expression."""

SCRIPT = """
import ctypes, errno, fcntl, json, os, resource, signal, socket, struct, sys
given = json.loads(sys.stdin.read())
numbers, host, secret, folder, site, ours, abstract, port, other, datagrams, segment = (given[name] for name in (
    "numbers", "host", "secret", "folder", "site", "ours", "abstract", "port", "other", "datagrams", "segment"))
libc = ctypes.CDLL(None, use_errno=True)
libc_buffer, parent = ctypes.create_string_buffer(1024), os.path.dirname(secret)
REFUSED = {errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EAFNOSUPPORT, errno.ENOENT, errno.ESRCH, errno.EROFS,
    errno.EXDEV, errno.ECONNREFUSED, errno.EADDRNOTAVAIL, errno.ENETUNREACH, errno.ENOTSUP}

def call(name, *arguments):
    if name not in numbers:
        raise OSError(errno.ENOSYS, name)
    result = libc.syscall(numbers[name], *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    return result

def become_root():
    try:
        os.setresuid(0, 0, 0)
    except OSError as error:  # EINVAL: this user namespace has no root at all
        raise PermissionError(errno.EPERM, "root") from error
    open(secret).read()  # root of the sandbox only is nobody

def tried(expression):
    try:
        return f"done {str(eval(expression))[:80]}"
    except ValueError:
        return "refused"  # a limit that may not be raised
    except OSError as error:
        return "refused" if error.errno in REFUSED else f"error {errno.errorcode.get(error.errno)}"

found = {}
for name, expression in given["attacks"].items():
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, tried(expression).encode(errors="replace"))
        os._exit(0)
    os.close(writing)
    found[name] = os.read(reading, 200).decode() or "ended"
    os.close(reading)
    os.waitpid(child, 0)
print(json.dumps({name: said for name, said in found.items() if said != "refused"}))
"""


@contextmanager
def shared_segment() -> Generator[int]:
    """Make a shared segment that everybody may attach, as other programs of the person have; yield its number."""
    libc = ctypes.CDLL(None, use_errno=True)
    segment = libc.shmget(0, 4096, 0o1666)
    try:
        yield segment
    finally:
        libc.shmctl(segment, 0, None)


async def succeeded(level: Any, folder: Path, secret: Path) -> dict[str, str]:
    """Try all attacks at a level; return those that were not refused, with what they came to."""
    sandbox = SandboxProbe(level, {}, landlock.version(), shutil.which("bwrap") or "")
    abstract = f"atos-{secrets.token_hex(6)}"
    with (
        socket.socket(socket.AF_UNIX) as door,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams,
        socket.create_server(("127.0.0.1", 0)) as tcp,
        run_folder() as other,
        shared_segment() as segment,
    ):
        (other.code / "given.py").write_text("given to another run")
        datagrams.bind(str(other.path / "datagrams"))
        (other.path / "datagrams").chmod(0o777)
        door.bind(f"\0{abstract}")
        door.listen()
        given = {
            "numbers": TABLES[architecture()], "host": os.getpid(), "secret": str(secret), "folder": str(folder),
            "site": this_interpreter().site[0], "ours": str(LAUNCHER.parent), "abstract": abstract,
            "port": tcp.getsockname()[1], "other": str(other.code / "given.py"),
            "datagrams": str(other.path / "datagrams"), "segment": segment,
            "attacks": {name: code for name, (_, code) in ATTACKS.items()},
        }  # fmt: skip
        script = Script(code=SCRIPT, stdin=json.dumps(given))
        run = await Runner(sandbox).script(folder, [folder], script, seconds=30)
    if run.cause or run.outcome.code:
        return {"run": f"{run.cause} {run.outcome.stderr.text[-500:]}"}
    return json.loads(run.outcome.stdout.text)


if __name__ == "__main__":
    sys.stdout.write(
        json.dumps(anyio.run(succeeded, sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))
    )
