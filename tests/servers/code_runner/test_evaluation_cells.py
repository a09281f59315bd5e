"""Candidates, assertions and calls in the real sandbox, on each level that this machine has."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from atos_protocol.errors import SandboxUnavailableError
from atos_protocol.verdicts import CandidateOutcome
from atos_servers.code_runner.evaluation import Evaluated
from atos_servers.code_runner.runner import Runner
from atos_servers.code_runner.sandbox_probe import SandboxProbe

pytestmark = pytest.mark.timeout(120)

ADD = "def add(a, b):\n    return a + b\n"


async def outcomes(
    runner: Runner,
    folder: Path,
    candidates: Sequence[str | dict[str, str]],
    assertions: Sequence[str] = (),
    calls: Sequence[str] = (),
    *,
    seconds: float = 30.0,
    **more: Any,
) -> list[CandidateOutcome]:
    files = [{"m.py": each} if isinstance(each, str) else each for each in candidates]
    modules = tuple(more.pop("modules", ()))
    asked = Evaluated(tuple(files), tuple(assertions), tuple(calls), modules)
    run = await runner.evaluation(folder, [folder], asked, seconds=seconds, **more)
    return list(run.outcomes)


def rows(*outcomes: str) -> CandidateOutcome:
    return CandidateOutcome("", outcomes, ())


def values(*outcomes: str) -> CandidateOutcome:
    return CandidateOutcome("", (), outcomes)


async def test_every_candidate_meets_every_assertion_and_call(
    runner: Runner, workspace: Path
) -> None:
    found = await outcomes(
        runner,
        workspace,
        [ADD, "def add(a, b):\n    return a * b\n", "def add(:\n"],
        ["assert add(0.1, 0.2) == 0.3", "assert raises(TypeError, lambda: add(1, 'a'))"],
        ["add(2, 5)", "add(None, 1)"],
    )
    assert found == [
        CandidateOutcome(
            "",
            ("pass", "pass"),
            (
                "= 7",
                "error: TypeError: unsupported operand type(s) for +: 'NoneType' and 'int'",
            ),
        ),
        CandidateOutcome(
            "",
            ("fail: 0.02 != 0.3", "fail: TypeError was not raised"),
            (
                "= 10",
                "error: TypeError: unsupported operand type(s) for *: 'NoneType' and 'int'",
            ),
        ),
        CandidateOutcome(
            "SyntaxError: invalid syntax (m.py, line 1)",
            ("error: not loaded",) * 2,
            ("error: not loaded",) * 2,
        ),
    ]


async def test_the_workspace_lies_below_the_candidate_and_stays_as_it_was(
    runner: Runner, workspace: Path
) -> None:
    (workspace / "pkg").mkdir()
    (workspace / "pkg" / "__init__.py").write_text("")
    (workspace / "pkg" / "base.py").write_text("BASE = 1\n")
    (workspace / "pkg" / "it.py").write_text("VALUE = 'old'\n")
    found = await outcomes(
        runner,
        workspace,
        [
            {"pkg/it.py": "from pkg.base import BASE\nVALUE = BASE + 1\n"},
            {"pkg/base.py": "BASE = 5\n", "pkg/test_it.py": "import nothing_of_this_name\n"},
            {"pkg/it.py": "VALUE = 'new'\n", "src/other.py": "import pkg.it\nV = pkg.it.VALUE\n"},
        ],
        calls=["__import__('pkg.it').it.VALUE", "__import__('pkg.base').base.BASE"],
    )
    assert found == [values("= 2", "= 1"), values("= 'old'", "= 5"), values("= 'new'", "= 1")]
    assert (workspace / "pkg" / "it.py").read_text() == "VALUE = 'old'\n"


async def test_names_come_from_the_modules_that_are_asked_for(
    runner: Runner, workspace: Path
) -> None:
    files = {"one.py": "import math\nA = 1\n_B = 2\n", "two.py": "A = 3\n"}
    calls = ["A", "math.floor(1.5)", "one.A", "_B", "two"]
    both = await outcomes(runner, workspace, [files], calls=calls)
    assert both[0].values[:4] == ("= 3", "= 1", "= 1", "error: NameError: name '_B' is not defined")
    alone = await outcomes(runner, workspace, [files], calls=calls, modules=["one"])
    assert alone[0].values[0] == "= 1"
    assert alone[0].values[4] == "error: NameError: name 'two' is not defined"


@pytest.mark.parametrize("name", ["queue", "json", "select", "random", "signal"])
async def test_a_module_may_be_named_like_one_of_the_standard_library(
    name: str, best_runner: Runner, workspace: Path
) -> None:
    found = await outcomes(
        best_runner, workspace, [{f"{name}.py": "def mine(): return 1\n"}], ["assert mine() == 1"]
    )
    assert found == [rows("pass")]


async def test_a_row_may_set_up_objects_and_files(runner: Runner, workspace: Path) -> None:
    stack = (
        "class Stack:\n    def __init__(self): self.items = []\n"
        "    def push(self, item): self.items.append(item)\n"
        "def lines(path):\n    with open(path) as f:\n        return len(f.readlines())\n"
    )
    found = await outcomes(
        runner,
        workspace,
        [stack],
        [
            "s = Stack()\ns.push(1)\nassert s.items == [1]",
            "with open('a.txt', 'w') as f:\n    f.write('x\\ny\\n')\nassert lines('a.txt') == 2",
            "import os\nassert os.listdir('.') == []",
            "import os, tempfile\nassert os.path.realpath(tempfile.gettempdir()) == os.getcwd()",
            "with raises(FileNotFoundError) as info:\n    lines('a.txt')\nassert info.value.errno",
            "with pytest.raises(FileNotFoundError, match='No such'):\n    lines('a.txt')",
            "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: 'int'\nassert P(1) == P(1)",
        ],
        ["s = Stack()\ns.push(2)\ns.items", "s = Stack()"],
    )
    assert found == [CandidateOutcome("", ("pass",) * 7, ("= [2]", "= None"))]


async def test_nothing_that_a_cell_changes_reaches_another(runner: Runner, workspace: Path) -> None:
    module = "import builtins\nSEEN = []\n"
    found = await outcomes(
        runner,
        workspace,
        [module, module],
        [
            "SEEN.append(1)\nbuiltins.len = lambda _: 99\nassert len('') == 99",
            "assert SEEN == [] and len('ab') == 2",
            "import os\nopen('../left', 'w').close()\nos.mkdir('../other')\nos.chmod('.', 0o500)",
            "import os\nos.mkdir('x')\nos.chmod('x', 0)\nopen('y', 'w').close()",
            "import os\nassert os.listdir('..') == [os.path.basename(os.getcwd())]\nopen('z', 'w')",
            "import os\nos.rmdir(os.getcwd())",
            "import os\nassert os.listdir('.') == []",
        ],
    )
    assert found == [rows(*["pass"] * 7)] * 2


CRASH = "import ctypes\nctypes.string_at(0)"
NOT_PERMITTED = "error: PermissionError: [Errno 1] Operation not permitted"
BOMB = "import os\nwhile True:\n  try: os.fork()\n  except OSError: pass"
HOSTILE = {
    "import sys\nsys.exit(3)": "error: SystemExit: 3",
    "import os\nos._exit(0)": "error: the process exited with code 0",
    CRASH: "error: the process crashed (SIGSEGV)",
    "def f(): f()\nf()": "error: RecursionError: maximum recursion depth exceeded",
    "b = bytearray(2**30)": "error: MemoryError",
    "b = []\nwhile 1: b.append(bytearray(10**8))": "error: MemoryError",
    "import os\nos.fork()": NOT_PERMITTED,
    "import subprocess\nsubprocess.run(['true'])": NOT_PERMITTED,
    "import os\nos.kill(os.getppid(), 9)": NOT_PERMITTED,
    "import os\nos.killpg(0, 9)": NOT_PERMITTED,
    "import os\nos.kill(-1, 9)": NOT_PERMITTED,
    "for _ in range(100): print('x' * 10**6)": "pass",
    "open('a', 'wb').write(bytes(2 * 10**7))": "error: OSError: [Errno 27] File too large",
    "import threading, time\n"
    "for _ in range(5): threading.Thread(target=time.sleep, args=(99,)).start()": "pass",
    "import os\nos.closerange(0, 256)": "error: the process exited with code 1",
    "(" * 60_000: "error: SyntaxError: too many nested parentheses (<unknown>, line 1)",
}
"""Assertion -> outcome."""
ENDLESS = (
    BOMB,
    "sum(iter(int, 1))",
    "while True:\n  try:\n    while 1: pass\n  except: pass",
    (
        "import signal\nfor n in range(1, 32):\n  try: signal.signal(n, signal.SIG_IGN)\n"
        "  except (OSError, ValueError): pass\n"
        "signal.setitimer(signal.ITIMER_REAL, 0)\nwhile True: pass"
    ),
)


async def test_a_hostile_cell_costs_itself_alone(runner: Runner, workspace: Path) -> None:
    good = "assert add(1, 2) == 3"
    mixed = [text for hostile in HOSTILE for text in (hostile, good)]
    (found,) = await outcomes(runner, workspace, [ADD], mixed, ["add(1, 1)"])
    assert (found.load, found.rows[1::2], found.values) == ("", ("pass",) * len(HOSTILE), ("= 2",))
    assert dict(zip(HOSTILE, found.rows[::2], strict=True)) == HOSTILE


async def test_an_endless_cell_costs_itself_alone(runner: Runner, workspace: Path) -> None:
    mixed = [text for endless in ENDLESS for text in (endless, "assert add(1, 2) == 3")]
    found = await outcomes(runner, workspace, [ADD], mixed, ["add(1, 1)"], seconds=40.0)
    assert found == [CandidateOutcome("", ("timeout", "pass") * len(ENDLESS), ("= 2",))]


BAD_MODULES = {
    "raise NameError('x')": "NameError: x",
    "import sys\nsys.exit(1)": "SystemExit: 1",
    "import os\nos._exit(3)": "the process exited with code 3",
    CRASH: "the process crashed (SIGSEGV)",
    "while True: pass": "timeout",
    "import numpyy": "ModuleNotFoundError: No module named 'numpyy'",
}


async def test_a_bad_import_costs_its_candidate_alone(runner: Runner, workspace: Path) -> None:
    mixed = [text for bad in BAD_MODULES for text in (bad, ADD)]
    found = await outcomes(
        runner, workspace, mixed, ["assert add(1, 2) == 3"], ["add(1, 1)"], seconds=40.0
    )
    assert found[1::2] == [CandidateOutcome("", ("pass",), ("= 2",))] * len(BAD_MODULES)
    lost = (("error: not loaded",), ("error: not loaded",))
    assert found[::2] == [CandidateOutcome(load, *lost) for load in BAD_MODULES.values()]


@pytest.mark.parametrize(
    "attack",
    ["import os\nos.kill(-1, 9)", "import os\nos.kill(os.getppid(), 9)", BOMB],
    ids=["kills all", "kills its parent", "fork bomb"],
)
async def test_an_import_that_ends_the_run_costs_its_candidate_alone(
    attack: str, runner: Runner, workspace: Path
) -> None:
    """The others are run anew; what was reported before stays."""
    good = CandidateOutcome("", ("pass",), ())
    found = await outcomes(
        runner, workspace, [ADD, attack, ADD], ["assert add(1, 2) == 3"], seconds=40.0
    )
    assert [found[0], found[2]] == [good, good]
    assert found[1].rows == ("error: not loaded",)
    assert found[1].load


STAYS = """
import os, signal, time
candidate = os.getpid()
if os.fork() == 0:
    try:
        os.setsid()
    except OSError:
        pass
    while os.getppid() == candidate:
        time.sleep(0.01)
    time.sleep(0.5)
    for _ in range(300):
        try:
            os.kill(-1, signal.SIGKILL)
        except OSError:
            pass
        time.sleep(0.01)
    os._exit(0)
"""


async def test_what_a_candidate_leaves_running_meets_no_other(
    runner: Runner, workspace: Path
) -> None:
    slow = "import time\ntime.sleep(2)\n" + ADD
    found = await outcomes(runner, workspace, [STAYS + ADD, slow], ["assert add(1, 2) == 3"])
    assert found == [rows("pass"), rows("pass")]


async def test_a_candidate_can_not_stop_who_goes_on_with_the_others(
    runner: Runner, workspace: Path
) -> None:
    """What it had told before would be all that the host ever heard."""
    stops = (
        """
import os, signal
for judge in (os.getppid(), os.getppid() - 1, os.getppid() - 2, -1):
    try:
        os.kill(judge, signal.SIGSTOP)
    except OSError:
        pass
"""
        + ADD
    )
    found = await outcomes(runner, workspace, [stops, ADD], ["assert add(1, 2) == 3"], seconds=10.0)
    assert found == [rows("pass"), rows("pass")]


async def test_a_slow_import_is_paid_once(best_runner: Runner, workspace: Path) -> None:
    slow = "import time\ntime.sleep(2)\nA = 1\n"
    found = await outcomes(best_runner, workspace, [slow], ["assert A == 1"] * 10, seconds=15.0)
    assert found == [rows(*["pass"] * 10)]


async def test_a_candidate_that_sleeps_leaves_the_others_their_time(
    best_runner: Runner, workspace: Path
) -> None:
    sleeps = "import time\ndef add(a, b):\n    time.sleep(60)\n"
    found = await outcomes(
        best_runner, workspace, [sleeps, ADD], ["assert add(1, 2) == 3"] * 20, seconds=12.0
    )
    assert found == [rows(*["timeout"] * 20), rows(*["pass"] * 20)]


async def test_a_candidate_forges_its_own_outcomes_at_most(runner: Runner, workspace: Path) -> None:
    """Everything that it can write to is written to; others' outcomes stand."""
    forger = """
import glob, os
forged = b'"pass"\\n' * 50 + b'{"event": "finish"}\\n'
for descriptor in range(3, 64):
    try:
        os.write(descriptor, forged)
    except OSError:
        pass
for path in glob.glob("/proc/[0-9]*/fd/*"):
    if os.readlink(path).startswith("pipe:") and f"/{os.getpid()}/" not in path:
        os.write(os.open(path, os.O_WRONLY | os.O_NONBLOCK), forged)
def add(a, b): return 0
"""
    found = await outcomes(runner, workspace, [ADD, forger, ADD], ["assert add(1, 2) == 4"])
    assert [found[0], found[2]] == [rows("fail: 3 != 4")] * 2
    assert len(found[1].rows) == 1


async def test_the_reports_key_is_in_no_cell(runner: Runner, workspace: Path) -> None:
    search = """
import gc
found = [o for o in gc.get_objects() if callable(o) and getattr(o, "__name__", "") == "emit"]
cells = [c.cell_contents for f in found for c in (f.__closure__ or ())]
"""
    row = "assert not [c for c in cells if isinstance(c, bytes) and len(c) == 32]"
    memory = """
import os
opened = []
for pid in range(1, 2000):
    if pid != os.getpid():
        try: opened.append(open(f"/proc/{pid}/mem", "rb"))
        except OSError: pass
assert opened == []
"""
    assert await outcomes(runner, workspace, [search], [row, memory]) == [rows("pass", "pass")]


async def test_a_catalogue_candidate_must_keep_the_rules(runner: Runner, workspace: Path) -> None:
    plain, other = await outcomes(
        runner, workspace, [ADD, "import os\n" + ADD], ["assert add(1, 2) == 3"], policy="catalogue"
    )
    assert plain == rows("pass")
    assert other.load.startswith("refused: m.py")


async def test_the_weakest_level_refuses_to_evaluate(workspace: Path) -> None:
    runner = Runner(SandboxProbe("seccomp", {"bwrap": "missing"}, 0, ""))
    for policy in ("general", "catalogue"):
        with pytest.raises(SandboxUnavailableError, match="no sandbox"):
            await outcomes(runner, workspace, [ADD], policy=policy)
