"""The packed node package, and the workflows in it."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atos_protocol.errors import NotFoundError

PLACEHOLDER = "http://127.0.0.1:8756"
"""ATOS's address as the exported workflows hold it."""
CHECKOUT = Path(__file__).resolve().parents[3] / "n8n"
BUILD = "cd n8n && npm ci --ignore-scripts && npm run build && npm pack"


@dataclass(frozen=True, slots=True)
class NodePackage:
    """A `.tgz` as `npm pack` writes it."""

    path: Path
    content: bytes

    @property
    def manifest(self) -> dict[str, Any]:
        """Its package.json."""
        return json.loads(self._read("package/package.json"))

    @property
    def name(self) -> str:
        """As npm knows it."""
        return str(self.manifest["name"])

    @property
    def version(self) -> str:
        """Of the package."""
        return str(self.manifest["version"])

    def workflows(self, base: str) -> list[dict[str, Any]]:
        """Return its workflows, with ATOS's address in place of the one that was exported."""
        with tarfile.open(fileobj=io.BytesIO(self.content)) as archive:
            names = sorted(n for n in archive.getnames() if n.startswith("package/workflows/"))
        return [json.loads(self._read(name).replace(PLACEHOLDER, base)) for name in names]

    def _read(self, name: str) -> str:
        with tarfile.open(fileobj=io.BytesIO(self.content)) as archive:
            member = archive.extractfile(name)
            return member.read().decode() if member else ""


def find_package(given: str) -> NodePackage:
    """Return the package at a path, in a folder, or of this checkout.

    Raises:
        NotFoundError: there is none; says how it is made.
    """
    place = Path(given).expanduser() if given else CHECKOUT
    packed = sorted(place.glob("n8n-nodes-atos-*.tgz")) if place.is_dir() else [place]
    if packed and packed[-1].is_file():
        try:
            found = NodePackage(packed[-1].absolute(), packed[-1].read_bytes())
            _ = found.version
        except (tarfile.TarError, KeyError, ValueError) as error:
            message = f"{packed[-1]} is no packed node package: {error}"
            raise NotFoundError(message, next_step="npm pack n8n-nodes-atos") from error
        return found
    message = f"there is no packed node package at {place}"
    step = f"In ATOS's checkout: {BUILD}. Elsewhere: npm pack n8n-nodes-atos, then --package FILE."
    raise NotFoundError(message, next_step=step)
