"""The checks before a release refuse what is not ready."""

import json
from pathlib import Path

import pytest
from packaging.version import Version

import release_check
from release_check import ROOT, NotReadyError, changelog, check_wheel, version_of


def tree(folder: Path, version: str, server: str) -> Path:
    (folder / "pyproject.toml").write_text(f'[project]\nversion = "{version}"\n')
    (folder / "server.json").write_text(
        json.dumps({"version": server, "packages": [{"version": server}]})
    )
    return folder


def test_the_version_stands_in_one_place_and_its_copies_agree(tmp_path: Path) -> None:
    assert Version(version_of(ROOT)) >= Version("0.1.0")
    with pytest.raises(NotReadyError, match=r"says 0\.2\.0, but"):
        version_of(tree(tmp_path, "0.2.0", "0.1.0"))


def test_a_version_of_which_the_changelog_says_nothing_is_not_ready(tmp_path: Path) -> None:
    (tmp_path / "CHANGELOG.md").write_text(
        "# Changelog\n\n## [0.3.0]\n\n### Added\n- a thing\n- another\n\n## [0.2.0]\n"
    )
    assert changelog(tmp_path, "0.3.0") == "2 entries"
    with pytest.raises(NotReadyError, match=r"nothing of 0\.2\.0"):
        changelog(tmp_path, "0.2.0")


def test_a_wheel_with_something_foreign_or_without_what_is_needed_is_not_ready() -> None:
    whole = [*release_check.NEEDED, "atos-0.1.0.dist-info/METADATA"]
    assert check_wheel(whole) == "5 files"
    with pytest.raises(NotReadyError, match=r"has \['tests'\]"):
        check_wheel([*whole, "tests/conftest.py"])
    with pytest.raises(NotReadyError, match=r"lacks \['atos_servers/shim/manifest\.json'\]"):
        check_wheel(whole[1:])
