"""The bill of materials (CycloneDX 1.6) of what `pip install atos` brings: `python tests/sbom.py FILE` writes it.

Made from the metadata of what is installed, as docs/licences.md is, and the same every time.
"""
# its classes are made by decorators that pyright does not follow
# pyright: reportCallIssue=false, reportArgumentType=false, reportAttributeAccessIssue=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.utils import canonicalize_name

import licences


def bill(root: str = "atos") -> Bom:
    """Return every package with its version, its licence and what it needs itself."""
    found = {name: _component(name, licence) for name, licence in licences.installed(root).items()}
    made = Bom()
    made.metadata.component = found[root] = _component(root, "", ComponentType.APPLICATION)
    for name, component in found.items():
        if name != root:
            made.components.add(component)
        needed = map(canonicalize_name, licences.needed(importlib.metadata.distribution(name)))
        made.register_dependency(component, [found[each] for each in needed if each in found])
    return made


def _component(name: str, licence: str, kind: ComponentType = ComponentType.LIBRARY) -> Component:
    version = importlib.metadata.version(name)
    told = [LicenseFactory().make_from_string(licence)] if licence else []
    return Component(
        name=name,
        version=version,
        type=kind,
        bom_ref=f"{name}@{version}",
        purl=PackageURL("pypi", name=name, version=version),
        licenses=told,
    )


def text_of(made: Bom) -> str:
    """Return it as JSON, without a time and a number of its own."""
    made.metadata.timestamp = None
    made.serial_number = None
    return JsonV1Dot6(made).output_as_string(indent=2)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text_of(bill()) + "\n", encoding="utf-8")
