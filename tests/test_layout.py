"""The layout that packaging depends on."""

from pathlib import Path

ROOT = Path(__file__).parent.parent
PORTIONS = ("servers", "scheduler", "orchestrator", "clients")


def test_no_portion_of_the_namespace_hides_the_others() -> None:
    strays = [str(p.relative_to(ROOT)) for p in ROOT.glob("*/atos/__init__.py")]
    assert strays == [], "an __init__.py in */atos/ makes `atos` a plain package: delete it"


def test_every_portion_is_typed_and_is_a_package() -> None:
    for portion in PORTIONS:
        folder = ROOT / portion / "atos" / portion
        assert (folder / "py.typed").exists()
        assert (folder / "__init__.py").exists()


def test_no_grab_bag_modules() -> None:
    banned = {"utils", "helpers", "common", "manager", "base", "misc"}
    found = [
        str(path.relative_to(ROOT))
        for portion in PORTIONS
        for path in (ROOT / portion).rglob("*.py")
        if path.stem in banned
    ]
    assert found == []
