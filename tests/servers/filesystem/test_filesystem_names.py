"""The gate before the disk: names, globs and protected places."""

import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atos_servers.filesystem.errors import BadPathError, OutsideError
from atos_servers.filesystem.globs import Glob, globs
from atos_servers.filesystem.paths import MAX_NAME, check_new, locate, split
from atos_servers.filesystem.protection import granted, protected_by, read_grants

WS, INNER, REAL = Path("/ws"), Path("/ws/inner"), Path("/private/ws")
ROOTS = {WS: WS, INNER: INNER, REAL: WS}
HOME = Path("/home/me")


@pytest.mark.parametrize(
    ("path", "root", "parts"),
    [
        ("a/b", WS, ("a", "b")),
        ("./a//b/", WS, ("a", "b")),
        (".", WS, ()),
        ("/ws", WS, ()),
        ("/ws/a", WS, ("a",)),
        ("/ws/inner/a", INNER, ("a",)),
        ("/ws/innermost/a", WS, ("innermost", "a")),
        ("/private/ws/a", WS, ("a",)),
    ],
)
def test_a_path_is_found_in_its_root(path: str, root: Path, parts: tuple[str, ...]) -> None:
    assert locate(path, ROOTS, HOME) == (root, parts)


def test_a_tilde_is_the_home() -> None:
    assert locate("~/x", {HOME: HOME}, HOME) == (HOME, ("x",))
    assert locate("~x", {HOME: HOME}, HOME) == (HOME, ("~x",))


@pytest.mark.parametrize("path", ["/", "/etc/passwd", "/ws-evil/x", "/w", "//etc/passwd", "~/x"])
def test_an_absolute_path_in_no_root_is_outside(path: str) -> None:
    with pytest.raises(OutsideError, match="Allowed are: /ws, /ws/inner"):
        locate(path, ROOTS, HOME)


@pytest.mark.parametrize(
    "path",
    ["..", "a/../b", "/ws/../etc", "a\0b", "\ud800", "x" * (MAX_NAME + 1), "a/" * 70, "é" * 200],
)
def test_a_text_that_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(BadPathError):
        locate(path, ROOTS, HOME)


@given(st.text())
def test_what_passes_the_gate_has_only_plain_names(path: str) -> None:
    try:
        parts = split(path)
    except BadPathError:
        return
    assert all(part not in ("", ".", "..") and "/" not in part for part in parts)


@pytest.mark.parametrize(
    "name",
    [
        "a\nb",
        "a\u202eb",
        "a\u200bb",
        "a\\b",
        "c:x",
        "end.",
        "end ",
        " begin",
        "CON",
        "nul.txt",
        "Com1",
    ],
)
def test_a_misleading_name_is_not_made(name: str) -> None:
    with pytest.raises(BadPathError):
        check_new((name,))


@pytest.mark.parametrize("name", ["ok.py", ".hidden", "ünï", "a b", "console.py", "加法.py"])
def test_a_plain_name_is_made(name: str) -> None:
    check_new((name,))


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("*.py", "a.py", True),
        ("*.py", "d/a.py", False),
        ("**/*.py", "a.py", True),
        ("**/*.py", "d/e/a.py", True),
        ("d/**", "d/e/f", True),
        ("d/**", "d", False),
        ("d/**/f", "d/f", True),
        ("**", "any/thing", True),
        ("?.py", "ab.py", False),
        ("[a-c].py", "b.py", True),
        ("[!a-c].py", "b.py", False),
        ("[", "[", True),
        ("*.{py,md}", "a.md", True),
        ("{a,b}{c,d}", "bd", True),
        ("a{b", "a{b", True),
        (".*", ".git", True),
        ("*", ".git", True),
        ("a*b*c", "aXbYbZc", True),
        ("", "a", False),
    ],
)
def test_globs(pattern: str, path: str, fits: bool) -> None:
    assert Glob(pattern).matches(tuple(path.split("/"))) is fits


@pytest.mark.timeout(5)
def test_a_pattern_built_to_explode_does_not() -> None:
    assert not Glob("*a" * 200).matches(("a" * 199,) * 3)
    assert not Glob("**/" * 100 + "x").matches(("a",) * 60)
    for bomb in ("x" * 600, "{a,b}" * 7):
        with pytest.raises(BadPathError):
            Glob(bomb)


@given(st.text("ab*?", max_size=12), st.text("ab", min_size=1, max_size=12))
def test_a_name_fits_its_pattern_as_a_shell_says(pattern: str, name: str) -> None:
    wanted = re.sub(r"\*+", "*", pattern)  # two stars are a span of folders
    assert Glob(wanted).matches((name,)) is fnmatchcase(name, wanted)


@pytest.mark.timeout(20)
def test_patterns_are_matched_in_bounded_time_however_many_there_are() -> None:
    with pytest.raises(BadPathError, match="at most 4000 are allowed"):
        globs(["*a" * 200] * 100)
    bombs = globs(["*a" * 200 + "b"] * 9)
    names = [tuple("a" * (150 + n % 50) for n in range(20))] * 1_000
    assert not any(bomb.matches(name[-1:]) for bomb in bombs for name in names)
    spans = globs(["**/*a*/" * 60 + "x"])
    assert not any(spans[0].matches(("a" * 60,) * 60) for _ in range(20))


@pytest.mark.parametrize(
    "path",
    [
        ".git", ".git/hooks/pre-commit", "sub/.git/config", ".GIT/config", "conftest.py",
        "tests/ConfTest.py", "pytest.ini", ".github/workflows/ci.yml", "lib/x.pth", ".env",
        ".env.local", "a/.envrc", ".mcp.json", "sitecustomize.py", ".vscode/tasks.json", ".vscode",
        "pyproject.toml", "a/tox.ini", "setup.cfg", "setup.py", ".gitattributes", ".gitmodules", ".husky",
        ".husky/pre-commit", ".pre-commit-config.yaml", "lefthook.yml", ".npmrc", ".claude/settings.json",
        ".github/actions/x/action.yml", ".GitHub/workflows", "a/.cursor/rules/x", "pyvenv.cfg", ".envrc",
        ".bashrc", "me/.bash_profile", ".Profile", ".zshenv", ".xsessionrc", ".ssh/authorized_keys", ".ssh", ".gitconfig",
        ".config/autostart/x.desktop", ".config/systemd", "me/.config/fish/config.fish", ".local/bin/ls", ".pdbrc.py",
        ".gdbinit", ".vimrc", ".nvim.lua", ".Rprofile",
    ],
)  # fmt: skip
def test_what_later_runs_on_the_host_is_protected(path: str) -> None:
    assert protected_by(tuple(path.split("/")))


@pytest.mark.parametrize(
    "path",
    [
        "main.py",
        "tests/test_x.py",
        ".gitignore",
        "git/x",
        "env.py",
        ".env.example",
        "a/.ENV.sample",
        ".github",
    ],
)
def test_ordinary_files_are_not_protected(path: str) -> None:
    assert protected_by(tuple(path.split("/"))) == ""


def test_a_grant_opens_its_place_and_no_other() -> None:
    text = "# tests\nconftest.py\n\n.github/workflows/*  # ours\n"
    grants = granted(read_grants(text), Path("/ws/x"))
    assert protected_by(("tests", "conftest.py"), grants) == ""
    assert protected_by((".github", "workflows", "ci.yml"), grants) == ""
    assert protected_by((".git", "config"), grants) == "**/.git/**"


def test_a_grant_below_a_directory_s_name_counts_only_there() -> None:
    grants = read_grants("[/ws/a]\npyproject.toml\n[*]\n.npmrc\n")
    allowed = {path: granted(grants, Path(path)) for path in ("/ws/a/pyproject.toml", "/ws/b/x")}
    assert allowed == {
        "/ws/a/pyproject.toml": ["**/pyproject.toml", "**/.npmrc"],
        "/ws/b/x": ["**/.npmrc"],
    }
