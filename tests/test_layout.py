"""The layout that packaging depends on."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = (
    "clients/atos",
    "clients/atos_daemon",
    "clients/atos_protocol",
    "scheduler/atos_scheduler",
    "orchestrator/atos_orchestrator",
    "servers/atos_servers",
)


def test_every_package_is_typed_and_is_a_package() -> None:
    for package in PACKAGES:
        assert (ROOT / package / "py.typed").exists()
        assert (ROOT / package / "__init__.py").exists()


def test_the_wheel_holds_every_package_and_nothing_else() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        build = tomllib.load(file)["tool"]["hatch"]["build"]
    assert sorted(build["targets"]["wheel"]["packages"]) == sorted(PACKAGES)


def test_no_grab_bag_modules() -> None:
    banned = {"utils", "helpers", "common", "manager", "base", "misc"}
    found = [
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if path.stem in banned
    ]
    assert found == []
