"""Calls of every tool that takes a path, one of whose paths is an attack; the rest is as a good caller gives it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from doubles.attack_ground import AttackGround

PART = st.sampled_from(
    ["..", ".", "", "dir", "up", "to-folder", "absolute", "root", "proc", "loop", "dangling", "within",
     "hardlink", "fifo", "outside", "ws-evil", "secret", "new", "é", "\u202e", "e\u0301", "\uff0e\uff0e", "tmp", "etc"]
)  # fmt: skip
STARTS = st.sampled_from(["", "/", "{inside}/", "{outside}/", "{inside}-evil/", "~/"])
TEXT = st.tuples(STARTS, st.lists(PART, max_size=6).map("/".join)).map("".join)

GOOD: dict[str, Any] = {
    "path": "{inside}", "paths": ["{inside}/good.txt"], "source": "{inside}/good.txt",
    "destination": "{inside}/moved.txt", "file": "script.py", "overlay": {"a.py": "x = 1"},
    "candidates": [{"m.py": "x = 1"}], "tests": [], "into": "{inside}/goal",
}  # fmt: skip
"""Arguments that are paths, as a good caller gives them."""
OTHERS: dict[str, Any] = {
    "goal": "Write a Python function to add two numbers", "examples": ["add(1, 2) == 3"],
    "content": "written", "edits": [{"oldText": "RET", "newText": "changed"}], "pattern": "**/secret",
    "assertions": ["assert 1"],
}  # fmt: skip
"""Other arguments that are required, or keep a call short."""


@dataclass(frozen=True)
class Attack:
    """One argument of one tool."""

    server: str
    tool: str
    argument: str
    schema: dict[str, Any]

    def arguments(self, text: str, ground: AttackGround) -> dict[str, Any]:
        """Return the call's arguments, with an attacker's text for the one argument."""
        known, wanted = self.schema["properties"], set(self.schema.get("required", ()))
        given = {name: OTHERS[name] for name in known if name in OTHERS}
        given |= {name: GOOD[name] for name in wanted & set(GOOD)}
        assert wanted <= set(given), f"say in OTHERS what {self.tool} is given"
        given[self.argument] = _shaped(GOOD[self.argument], text)
        return _filled(given, ground)


def _shaped(good: Any, text: str) -> Any:
    if isinstance(good, str):
        return text
    if isinstance(good, dict):
        return {text: "x = 1"}
    return [_shaped(good[0] if good else "", text)]


def _filled(value: Any, ground: AttackGround) -> Any:
    if isinstance(value, str):
        return value.replace("{inside}", str(ground.inside)).replace(
            "{outside}", str(ground.outside)
        )
    if isinstance(value, dict):
        return {_filled(name, ground): _filled(each, ground) for name, each in value.items()}  # pyright: ignore[reportUnknownVariableType]
    return [_filled(each, ground) for each in value] if isinstance(value, list) else value  # pyright: ignore[reportUnknownVariableType]


def lay_out_anew(ground: AttackGround) -> None:
    """Make the ground as it was; the workspace itself stays, since its callers hold it open."""
    ground.inside.mkdir(parents=True, exist_ok=True)
    for path in [
        *ground.inside.iterdir(),
        *(p for p in ground.top.iterdir() if p != ground.inside),
    ]:
        _remove(path)
    ground.lay_out()
    (ground.inside / "script.py").write_text("x = 1\n")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
