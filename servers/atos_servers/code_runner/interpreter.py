"""Which folders the sandbox must be able to read so that this interpreter works in it."""

from __future__ import annotations

import importlib.util
import os
import site
import sys
import sysconfig
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SYSTEM = ("/usr", "/bin", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/nix/store")


@dataclass(frozen=True, slots=True)
class Interpreter:
    """The interpreter that runs the code, and its folders."""

    executable: str
    prefix: str
    site: tuple[str, ...]
    readable: tuple[str, ...]


def _too_wide(path: str) -> bool:
    home = Path.home()
    return path == "/" or home.is_relative_to(path)


def _where_pytest_is() -> list[str]:
    spec = importlib.util.find_spec("pytest")
    return [str(Path(spec.origin).parent.parent)] if spec and spec.origin else []


@cache
def interpreter() -> Interpreter:
    """Describe the running interpreter; links are followed, because an installation may be one."""
    listed = [*site.getsitepackages(), *_where_pytest_is()]
    listed += [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
    packages = [entry for entry in dict.fromkeys(listed) if Path(entry).is_dir()]
    named = [sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix, *packages]
    named += [sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib")]
    named += [str(Path(os.path.realpath(sys.executable)).parent.parent)]
    both = [place for name in named for place in (name, os.path.realpath(name))]
    wide = [place for place in dict.fromkeys(both) if not _too_wide(place)]
    readable = tuple(dict.fromkeys([*(p for p in SYSTEM if Path(p).exists()), *wide]))
    return Interpreter(sys.executable, sys.prefix, tuple(packages), readable)
