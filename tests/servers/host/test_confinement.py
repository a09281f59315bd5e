"""Where a goal's repository may be, for each kind of caller."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from inline_snapshot import snapshot

from atos_protocol.errors import WorkspaceError
from atos_servers.host.confinement import Confinement, Reach


def confinement(person: Path, *directories: Path, reach: Reach = "named") -> Confinement:
    workspaces = person / "atos"
    return Confinement(directories or (workspaces,), person / ".atos", workspaces, person, reach)


@pytest.fixture
def person(tmp_path: Path) -> Path:
    """Make a person's home, with two links in the workspaces that lead out of them."""
    person = tmp_path / "me"
    for name in ("atos/own/.git/hooks", ".atos/run", ".ssh", "src", "elsewhere/real.git/objects"):
        (person / name).mkdir(parents=True)
    (person / "atos" / "out").symlink_to(person / "src")
    (person / "atos" / "keys").symlink_to("../.ssh")
    (person / "atos" / "gitfile").mkdir()
    (person / "atos" / "gitfile" / ".git").write_text("gitdir: ../../elsewhere/real.git\n")
    (person / "atos" / "linked").mkdir()
    (person / "atos" / "linked" / ".git").symlink_to("../../elsewhere/real.git")
    (person / "atos" / "parts" / ".git").mkdir(parents=True)
    (person / "atos" / "parts" / ".git" / "objects").symlink_to(person / "elsewhere")
    return person


ANYWHERE = ("~/src/new", "~/atos/new", "~/atos/a/b", "~/atos/own", "~/atos/own/../x", "/srv/x")
"""No danger to anybody."""
DANGEROUS = (
    "~/.ssh", "~/.config/autostart", "~/.local/bin", "~/atos/keys", "~/atos/../.ssh/x", "~/.new",
    "~/src/.venv/lib/python3.12/site-packages", "/usr/lib/python3/dist-packages/x",
    "~/src/SITE-PACKAGES/x",
)  # fmt: skip
"""What lies there is run by itself."""
HOUSE = ("~", "/", "~/.atos", "~/.atos/run", "~/.atos/state/x", "~/atos/../.atos/x")
"""ATOS's home, and what contains it."""
LEADING_OUT = ("~/atos/out", "~/atos/out/x", "~/atos/gitfile", "~/atos/linked", "~/atos/parts")
"""They lie in the workspaces, and what would be written does not."""
HIDDEN_INSIDE = ("~/atos/own/.git/hooks", "~/atos/own/.git", "~/atos/x/.github/workflows")
NO_PATH = (
    "relative",
    "~/atos/a\0b",
    "~/atos/\x1b[2J",
    "~/atos/a\u202eb",
    "~/atos/\ud800",
    "~/atos/" + "x" * 256,
)


def allowed(rules: Confinement, texts: tuple[str, ...]) -> list[str]:
    """Return the paths of a list that a caller may name."""
    found: list[str] = []
    for text in texts:
        try:
            rules.place(text.replace("~", str(rules.person)))
        except WorkspaceError:
            continue
        found.append(text)
    return found


ALL = ANYWHERE + DANGEROUS + HOUSE + LEADING_OUT + HIDDEN_INSIDE + NO_PATH
IN_WORKSPACES = ["~/atos/new", "~/atos/a/b", "~/atos/own", "~/atos/own/../x"]


def test_without_directories_the_workspaces_and_nothing_else_may_be_named(person: Path) -> None:
    assert allowed(confinement(person), ALL) == IN_WORKSPACES


def test_a_client_with_directories_may_name_places_in_these(person: Path) -> None:
    rules = confinement(person, person / "src", Path("/srv"))
    assert allowed(rules, ALL) == ["~/src/new", "/srv/x", "~/atos/out", "~/atos/out/x"]


def test_the_library_may_name_any_place_that_is_not_dangerous(person: Path) -> None:
    rules = confinement(person, reach="library")
    assert allowed(rules, ALL) == list(ANYWHERE + LEADING_OUT + HIDDEN_INSIDE)


def test_the_command_line_takes_the_persons_own_path_but_for_the_home_of_atos(person: Path) -> None:
    rules = confinement(person, reach="person")
    assert allowed(rules, ALL) == list(ANYWHERE + DANGEROUS + LEADING_OUT + HIDDEN_INSIDE)


def test_a_directory_that_contains_everything_does_not_open_what_is_dangerous(person: Path) -> None:
    rules = confinement(person, Path("/"))
    assert allowed(rules, DANGEROUS + HOUSE + HIDDEN_INSIDE + NO_PATH) == []


def test_a_hidden_workspaces_folder_that_the_user_has_set_may_be_used(person: Path) -> None:
    goals = person / ".atos" / "goals"
    rules = Confinement((goals,), person / ".atos", goals, person)
    assert rules.place(f"{goals}/x") == goals / "x"
    assert not rules.is_own(goals)
    assert rules.is_own(person / ".atos" / "grants")


def test_the_place_is_returned_with_its_links_resolved(person: Path) -> None:
    rules = confinement(person, person / "src")
    assert rules.place(f"{person}/atos/out/../src/x") == person / "src" / "x"


def test_a_refusal_says_where_it_may_be_and_how_to_allow_more() -> None:
    with pytest.raises(WorkspaceError) as caught:
        confinement(Path("/home/me")).place("/home/me/src/x")
    assert caught.value.to_text() == snapshot(
        "workspace: /home/me/src/x lies outside /home/me/atos Next: Name a folder inside one of them. The user can allow more: start atos-mcp with the directory, or set ATOS_DIRECTORIES."
    )


PART = st.sampled_from(
    ["..", ".", "", "atos", "own", "out", "keys", ".git", "hooks", "gitfile", "linked", "src", ".ssh",
     ".atos", "run", "new", "é", "e\u0301", "ATOS", "\u202e"]
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(PART, max_size=8), start=st.sampled_from(["", "/..", "/atos", "/atos/out"]))
def test_whatever_a_path_is_made_of_its_place_is_real_and_inside(
    person: Path, parts: list[str], start: str
) -> None:
    rules = confinement(person)
    try:
        place = rules.place("/".join([f"{person}{start}", *parts]))
    except WorkspaceError:
        return
    assert place == place.resolve()
    assert place.is_relative_to(person / "atos")
    assert not any(part.startswith(".") for part in place.relative_to(person / "atos").parts)
