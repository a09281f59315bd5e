"""Runs a Python file as `__main__` in this process, confined already."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from types import ModuleType

from atos_servers.code_runner.sandbox.job import Job


def run(job: Job) -> int:
    """Run the job's script and return its exit code; a traceback goes to stderr as usual.

    Raises:
        SystemExit: the script ended itself; the interpreter turns it into the exit code.
    """
    os.chdir(job.folder)
    sys.argv = [job.script, *job.arguments]
    sys.path.insert(0, str(Path(job.folder, job.script).parent))
    main = ModuleType("__main__")
    main.__dict__["__file__"] = job.script
    sys.modules["__main__"] = main
    try:
        text = Path(job.folder, job.script).read_bytes()
        code = compile(text, job.script, "exec", dont_inherit=True)
        exec(code, main.__dict__)  # noqa: S102 - what this process is for
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001 - as the interpreter does
        here = error.__traceback__
        traceback.print_exception(error.with_traceback(here.tb_next if here else None))
        return 1
    return 0
