"""Runs the tests of many folders of trusted code, each in a fork of one process that has pytest loaded.

The folders may hold modules of the same name; a fork a folder keeps them apart and costs a tenth of a
new interpreter.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_FORKS = """
import json, os, sys
import pytest
codes = []
for folder in json.load(sys.stdin):
    child = os.fork()
    if child == 0:
        os.chdir(folder)
        sys.path.insert(0, folder)
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        os._exit(int(pytest.main(["-q", "-x", "-p", "no:cacheprovider", "--noconftest", "-c", os.devnull,
                                  "--rootdir", folder, folder])))
    codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(json.dumps(codes))
"""


def pytest_in_folders(folders: Sequence[Path], seconds: float = 300) -> list[int]:
    """Return pytest's exit code for each folder: 0 all passed, 1 some failed, 2 and more broken."""
    done = subprocess.run(
        [sys.executable, "-c", _FORKS],
        input=json.dumps([str(folder) for folder in folders]),
        capture_output=True, text=True, check=True, timeout=seconds,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # with all of them a run takes 2 s
        },
    )  # fmt: skip
    return json.loads(done.stdout)
