"""Twelve small tasks of an agent's day, each done in its plainest way: with the tools of ATOS, and with a shell alone.

A task prepares a folder, does its work through an `Agent`, which counts, and says afterwards whether it came out right. The
steps are written down, so this compares interfaces and not models; docs/how-to/what-an-agent-gains.md has a prompt for the latter.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atos import AtosError, SyncAtos
from atos_protocol.goals import FINAL_GOAL_STATES

SHELL_SECONDS = 60
SHELL_BYTES = 30_000
"""What a usual agent keeps of one command's output."""
ADD = "def add(a, b):\n    return a + b\n"
TEST = "from add import add\n\ndef test_add():\n    assert add(1, 2) == 3\n"
TOOLKIT = """def count_words(text):
    return len(text.split())

def reverse(text):
    return text[::-1]

def is_palindrome(text):
    return text == text[::-1]
"""
TOOLKIT_TEST = """from toolkit import count_words, is_palindrome, reverse

def test_count_words():
    assert count_words("a b") == 2

def test_reverse():
    assert reverse("ab") == "ba"

def test_is_palindrome():
    assert is_palindrome("aba") and not is_palindrome("ab")
"""


class Agent:
    """Uses tools, and counts what its model would have written and read."""

    def __init__(self, atos: SyncAtos, folder: Path) -> None:
        self._atos, self.folder = atos, folder
        self.calls = self.written = self.read = 0
        """Calls; bytes of arguments; bytes of replies."""

    def tool(self, server: str, name: str, **arguments: Any) -> Any:
        """Call a tool of ATOS; return its data, or the text of its refusal."""
        self.calls += 1
        self.written += len(f"{name}{arguments}".encode())
        try:
            reply = getattr(getattr(self._atos, server), name)(**arguments)
        except AtosError as error:
            self.read += len(str(error).encode())
            return str(error)
        self.read += len(reply.text.encode())
        return reply

    def shell(self, command: str) -> str:
        """Run a command in the folder, as a usual agent's only tool does."""
        self.calls += 1
        self.written += len(command.encode())
        try:
            done = subprocess.run(
                ["bash", "-c", command], cwd=self.folder, capture_output=True, text=True,
                timeout=SHELL_SECONDS, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            self.read += 40
            return "timed out"
        said = (done.stdout + done.stderr)[-SHELL_BYTES:]
        self.read += len(said.encode())
        return said


Do = Callable[[Agent], object]


@dataclass(frozen=True, slots=True)
class AgentTask:
    """One task."""

    name: str
    prepare: Callable[[Path], object]
    with_atos: Do
    without: Do
    right: Callable[[Path, object], bool]
    """Whether folder and answer are as they should be."""


def _log(folder: Path) -> None:
    lines = [f"{n} request {n * 7919 % 1000} took {n % 97} ms\n" for n in range(1, 5001)]
    (folder / "server.log").write_text("".join(lines))


def _tree(folder: Path) -> None:
    for n in range(200):
        path = folder / f"pkg{n % 10}" / f"m{n}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"def f{n}():\n    return {n}\n" + "VERBOSE = 1\n" * (n in {17, 120}))


def _alike(folder: Path) -> None:
    (folder / "conf.py").write_text("[a]\nlimit = 10\n\n[b]\nlimit = 10\n\n[c]\nlimit = 10\n")


def _windows(folder: Path) -> None:
    (folder / "notes.txt").write_bytes(b"one\r\ntwo\r\nthree\r\n")


def _failing(folder: Path) -> None:
    (folder / "add.py").write_text("def add(a, b):\n    return a - b\n")
    (folder / "test_add.py").write_text(TEST)


def _outside(folder: Path) -> None:
    (folder / "job.py").write_text(
        f"open({str(folder.parent / 'outside.txt')!r}, 'w').write('x')\nprint('done')\n"
    )


def _many(folder: Path) -> None:
    for n in range(1000):
        path = folder / f"d{n % 20}" / f"f{n}.{'py' if n % 4 == 0 else 'txt'}"
        path.parent.mkdir(exist_ok=True)
        path.touch()


def _edit(agent: Agent, file: str, old: str, new: str) -> Any:
    path = str(agent.folder / file)
    return agent.tool(
        "filesystem", "edit_file", path=path, edits=[{"oldText": old, "newText": new}]
    )


def _edit_alike(agent: Agent) -> object:
    refused = _edit(agent, "conf.py", "limit = 10", "limit = 20")
    if isinstance(refused, str):
        _edit(agent, "conf.py", "[b]\nlimit = 10", "[b]\nlimit = 20")
    return None


def _undo(agent: Agent) -> object:
    _edit(agent, "conf.py", "[b]\nlimit = 10", "[b]\nlimit = 999")
    changes = agent.tool("filesystem", "history", path=str(agent.folder / "conf.py"))
    newest = re.search(r"\d+", changes.text)
    assert newest, changes.text
    return agent.tool("filesystem", "undo", change=int(newest[0]))


def _function(agent: Agent) -> object:
    spec, examples = "Write a Python function to add two numbers", ["add(1, 2) == 3"]
    asked = agent.tool("orchestrate", "verified_code", spec=spec, examples=examples)
    return _followed(agent, asked)


def _goal(agent: Agent) -> object:
    goal = "Build a text toolkit: count words, reverse a string, check palindromes"
    return _followed(agent, agent.tool("orchestrate", "start_goal", goal=goal))


def _followed(agent: Agent, started: Any) -> object:
    if started.data["state"] in FINAL_GOAL_STATES:
        return started.data["state"]
    look, seq = None, 0
    while look is None or not look.data["final"]:
        look = agent.tool("orchestrate", "wait_goal", goal_id=started.data["id"], after_seq=seq)
        seq = look.data["seq"]
    return look.data["state"]


def _tested(folder: Path, answer: object) -> bool:
    del folder
    return "passed" in str(answer) and "failed" not in str(answer)


def _written(files: dict[str, str]) -> str:
    return "".join(f"cat > {name} <<'EOF'\n{text}EOF\n" for name, text in files.items())


def _path(agent: Agent) -> str:
    return str(agent.folder)


PYTEST = "python -m pytest -q -p no:cacheprovider"
OUTSIDE = "outside.txt"
TASKS = (
    AgentTask(
        "read lines 4,000 to 4,010 of a log of 5,000", _log,
        lambda a: a.tool("filesystem", "read_text_file", path=f"{_path(a)}/server.log", start_line=4000, head=11),
        lambda a: a.shell("sed -n 4000,4010p server.log"),
        lambda _, said: "4010 request" in str(said) and "4011 request" not in str(said),
    ),
    AgentTask(
        "find where a name is used, in 200 files", _tree,
        lambda a: a.tool("filesystem", "grep", pattern="VERBOSE", path=_path(a)),
        lambda a: a.shell("grep -rn VERBOSE ."),
        lambda _, said: "m17.py" in str(said) and "m120.py" in str(said),
    ),
    AgentTask(
        "change one of three lines that are alike", _alike, _edit_alike,
        lambda a: a.shell("sed -i 's/limit = 10/limit = 20/' conf.py"),
        lambda folder, _: (folder / "conf.py").read_text().count("limit = 20") == 1,
    ),
    AgentTask(
        "change a line of a file with Windows line ends", _windows,
        lambda a: _edit(a, "notes.txt", "two", "2"),
        lambda a: a.shell("sed -i 's/^two$/2/' notes.txt"),
        lambda folder, _: (folder / "notes.txt").read_bytes() == b"one\r\n2\r\nthree\r\n",
    ),
    AgentTask(
        "change a file, then take the change back", _alike, _undo,
        lambda a: a.shell("cp conf.py conf.bak; sed -i '5s/10/999/' conf.py") + a.shell("mv conf.bak conf.py"),
        lambda folder, _: "999" not in (folder / "conf.py").read_text(),
    ),
    AgentTask(
        "run the tests and say why one fails", _failing,
        lambda a: a.tool("code_runner", "run_pytest", path=_path(a)),
        lambda a: a.shell(PYTEST),
        lambda _, said: "test_add" in str(said) and ("-1" in str(said)),
    ),
    AgentTask(
        "run a program that never ends", lambda folder: (folder / "loop.py").write_text("while True: pass\n"),
        lambda a: a.tool("code_runner", "run_python", path=_path(a), file="loop.py", timeout_s=2),
        lambda a: a.shell("python loop.py"),
        lambda _, said: "time" in str(said).lower(),
    ),
    AgentTask(
        "run a program that writes outside of its folder", _outside,
        lambda a: a.tool("code_runner", "run_python", path=_path(a), file="job.py"),
        lambda a: a.shell("python job.py"),
        lambda folder, _: not (folder.parent / OUTSIDE).exists(),
    ),
    AgentTask(
        "write to a path that leads out of the workspace", lambda folder: folder,
        lambda a: a.tool("filesystem", "write_file", path=str(a.folder.parents[3] / OUTSIDE), content="x"),
        lambda a: a.shell("echo x > ../../../../outside.txt"),
        lambda folder, _: not (folder.parents[3] / OUTSIDE).exists(),
    ),
    AgentTask(
        "count the Python files among 1,000", _many,
        lambda a: len(a.tool("filesystem", "glob", pattern="**/*.py", path=_path(a)).text.splitlines()),
        lambda a: a.shell("find . -name '*.py' | wc -l").strip(),
        lambda _, said: str(said) == "250",
    ),
    AgentTask(
        "one function with a test", lambda folder: folder,
        _function,
        lambda a: a.shell(_written({"add.py": ADD, "test_add.py": TEST}) + PYTEST),
        lambda _, said: str(said) == "success" or _tested(Path(), said),
    ),
    AgentTask(
        "three functions, tested, in a git repository", lambda folder: folder, _goal,
        lambda a: a.shell(
            _written({"toolkit.py": TOOLKIT, "test_toolkit.py": TOOLKIT_TEST})
            + f"git init -q . && git add -A && git -c user.name=a -c user.email=a@b commit -qm toolkit && {PYTEST}"
        ),
        lambda _, said: str(said) == "success" or _tested(Path(), said),
    ),
)  # fmt: skip
