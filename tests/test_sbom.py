"""The bill of materials is valid, complete, and the same every time."""

import json

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

import licences
import sbom


def test_it_is_valid_and_lists_everything_that_an_installation_brings() -> None:
    text = sbom.text_of(sbom.bill())
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    told = json.loads(text)
    listed = {each["name"]: each for each in told["components"]}
    assert set(listed) == set(licences.installed())
    assert all(each["version"] and each["purl"] and each["licenses"] for each in listed.values())


def test_it_says_what_needs_what() -> None:
    told = json.loads(sbom.text_of(sbom.bill()))
    needs = {
        each["ref"].partition("@")[0]: each.get("dependsOn", []) for each in told["dependencies"]
    }
    assert "httpx" in {ref.partition("@")[0] for ref in needs["atos"]}
    assert "httpcore" in {ref.partition("@")[0] for ref in needs["httpx"]}


def test_it_is_the_same_every_time() -> None:
    assert sbom.text_of(sbom.bill()) == sbom.text_of(sbom.bill())
