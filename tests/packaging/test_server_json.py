"""`server.json`, by which the MCP registry describes ATOS, agrees with the package and with the command that it names."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

from atos_protocol.host_protocol import ALL
from atos_protocol.settings import TUNABLE

ROOT = Path(__file__).parents[2]
DESCRIBED: dict[str, Any] = json.loads((ROOT / "server.json").read_text(encoding="utf-8"))
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
    "project"
]


def test_versions_and_names_are_the_packages() -> None:
    (package,) = DESCRIBED["packages"]
    assert {DESCRIBED["version"], package["version"]} == {PROJECT["version"]}
    assert package["identifier"] == PROJECT["name"]
    assert package["runtimeArguments"][1]["value"] in PROJECT["scripts"]
    assert package["packageArguments"][0]["value"] == ALL


def test_only_settings_that_exist_are_named() -> None:
    named = {each["name"] for each in DESCRIBED["packages"][0]["environmentVariables"]}
    assert named <= {*TUNABLE, "ATOS_HOME"}


def test_the_registrys_own_limits_hold() -> None:
    assert re.fullmatch(r"[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+", DESCRIBED["name"])
    assert len(DESCRIBED["description"]) <= 100
