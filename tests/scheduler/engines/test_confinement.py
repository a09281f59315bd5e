"""What a process that parses model files can still do: read its model, and listen on its socket."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from atos_scheduler.engines import gpu_driver
from atos_scheduler.engines.confinement import confine, landlock_version
from atos_scheduler.engines.engine_process import environment
from atos_scheduler.engines.seccomp import is_known

SCRIPT = """
import ctypes, errno, json, os, shutil, socket, subprocess, sys
from pathlib import Path
from atos_scheduler.engines.confinement import confine
model, folder, outside, listening = map(Path, sys.argv[1:5])
outcome = {}

def tried(name, action):
    try:
        action()
        outcome[name] = "done"
    except OSError as error:
        outcome[name] = errno.errorcode[error.errno]

def listened():
    made = socket.socket(socket.AF_UNIX)
    made.bind(str(folder / ".sock"))
    made.listen()

def connected(kind, address, family=socket.AF_UNIX):
    socket.socket(family, kind).connect(address)

libc = ctypes.CDLL(None, use_errno=True)

def called(name, *arguments):
    if getattr(libc, name)(*arguments) in (-1, 2**64 - 1):
        raise OSError(ctypes.get_errno(), name)

confine(model, folder)
port = int(sys.argv[5])
tried("read its model", model.read_bytes)
tried("read the next part of its model", model.with_name("m-00002-of-00002.gguf").read_bytes)
tried("listen in its folder", listened)
tried("remove its socket", (folder / ".sock").unlink)
tried("read another file", outside.read_bytes)
tried("list a folder", lambda: os.listdir(outside.parent))
tried("read another model beside its own", model.with_name("other.gguf").read_bytes)
tried("read the environment of its parent", Path(f"/proc/{os.getppid()}/environ").read_bytes)
tried("write to its model", lambda: model.open("ab"))
tried("write a file in its folder", lambda: (folder / "file").write_text("x"))
tried("write a file elsewhere", lambda: outside.with_name("new").write_text("x"))
tried("write a file in /tmp", lambda: Path("/tmp/engine-was-here").write_text("x"))
tried("change a mode", lambda: outside.chmod(0o777))
tried("remove a file", outside.unlink)
tried("start a program", lambda: subprocess.run([shutil.which("true")], check=True))
tried("connect to a Unix socket", lambda: connected(socket.SOCK_STREAM, str(listening)))
tried("send to a Unix socket", lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
tried("send to one from a pair", lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM))
tried("open a TCP connection", lambda: connected(socket.SOCK_STREAM, ("127.0.0.1", port), socket.AF_INET))
tried("send over UDP", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
tried("attach a shared segment", lambda: called("shmat", 0, None, 0))
tried("remove a shared segment", lambda: called("shmctl", 0, 0, None))
tried("take a message of others", lambda: called("msgrcv", 0, ctypes.create_string_buffer(8), 0, 0, 0o4000))
tried("use the person's keys", lambda: called("syscall", 250 if os.uname().machine == "x86_64" else 219, 0, -4, 1))
print(json.dumps(outcome))
"""


@pytest.mark.skipif(landlock_version() < 3 or not is_known(), reason="no Landlock here")
def test_a_confined_worker_reads_its_model_and_listens_and_does_nothing_else(
    tmp_path: Path,
) -> None:
    folder, outside, home = tmp_path / "socket", tmp_path / "home" / "key", tmp_path / "home"
    models = tmp_path / "models"
    for made in (folder, home, models):
        made.mkdir()
    outside.write_text("secret")
    parts = [models / f"m-0000{part}-of-00002.gguf" for part in (1, 2)]
    for file in (*parts, models / "other.gguf"):
        file.write_text("GGUF")
    tcp, unix = socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX)
    unix.bind(str(home / "s"))
    unix.listen()
    where = [str(parts[0]), str(folder), str(outside), str(home / "s")]
    with tcp, unix:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, *where, str(tcp.getsockname()[1])],
            stdout=subprocess.PIPE,
            check=True,
        )
    assert json.loads(done.stdout) == {
        "read its model": "done",
        "read the next part of its model": "done",
        "listen in its folder": "done",
        "remove its socket": "done",
        "read another file": "EACCES",
        "list a folder": "EACCES",
        "read another model beside its own": "EACCES",
        "read the environment of its parent": "EACCES",
        "write to its model": "EACCES",
        "write a file in its folder": "EACCES",
        "write a file elsewhere": "EACCES",
        "write a file in /tmp": "EACCES",
        "change a mode": "EPERM",
        "remove a file": "EACCES",
        "start a program": "EACCES",
        "connect to a Unix socket": "EPERM",
        "send to a Unix socket": "EAFNOSUPPORT",
        "send to one from a pair": "EPERM",
        "open a TCP connection": "EAFNOSUPPORT",
        "send over UDP": "EAFNOSUPPORT",
        "attach a shared segment": "EPERM",
        "remove a shared segment": "EPERM",
        "take a message of others": "EPERM",
        "use the person's keys": "EPERM",
    }
    assert outside.read_text() == "secret"


@pytest.mark.gpu
@pytest.mark.skipif(not gpu_driver.CONTROL.exists(), reason="no NVIDIA device")
def test_a_gpu_computes_in_confinement_and_files_stay_closed() -> None:
    program = Path(__file__).parents[2] / "doubles" / "confined_gpu.py"
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    assert told.pop("held")
    assert told == {"begun": "", "words": [42, 7], "model": True, "secret": False}


def test_without_a_gpu_no_driver_is_begun(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(gpu_driver, "CONTROL", tmp_path / "none")
    assert gpu_driver.begin() == ""


def test_a_driver_that_can_not_be_begun_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(gpu_driver, "CONTROL", tmp_path)
    monkeypatch.setattr(gpu_driver, "LIBRARY", "libcuda-none.so.1")
    assert "libcuda-none.so.1 can't be loaded" in gpu_driver.begin()


def test_a_worker_is_given_what_finds_libraries_and_devices_and_no_keys() -> None:
    environ = {
        "PATH": "/usr/bin", "HOME": "/home/me", "LD_LIBRARY_PATH": "/opt/x", "CUDA_VISIBLE_DEVICES": "0",
        "ATOS_OPENAI_URL": "http://me:secret@host", "GITHUB_TOKEN": "secret", "SSH_AUTH_SOCK": "/run/ssh",
        "AWS_SECRET_ACCESS_KEY": "secret", "http_proxy": "http://me:secret@proxy", "LD_PRELOAD": "/x.so",
    }  # fmt: skip
    assert set(environment(environ)) == {"PATH", "HOME", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES"}


def test_where_the_kernel_has_nothing_the_worker_goes_on_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atos_scheduler.engines.confinement.landlock_version", lambda: 0)
    monkeypatch.setattr("atos_scheduler.engines.seccomp.is_known", lambda: False)
    read, write = os.pipe()
    child = os.fork()
    if not child:  # the core limit would stay with this process
        os.write(write, f"<{confine(tmp_path / 'm', tmp_path)}>".encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 100) == b"<>"
    os.close(read)
    os.close(write)
