"""Model files that other programs have fetched: found by hash or by name, read, never changed.

Both Ollama and Hugging Face name a large file by its sha256. A name is a claim, so whoever copies such a
file verifies it first; one that is only loaded is parsed by a confined worker, like any other file.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from atos_protocol.settings import home_directory

if TYPE_CHECKING:  # pydantic, for a name only
    from atos_scheduler.catalogue.origin import Download

OLLAMA_SERVICE = Path("/usr/share/ollama/.ollama/models")
"""Where the installer of Ollama on Linux lets its service keep models."""
OLLAMA_WEIGHTS = "application/vnd.ollama.image.model"
OLLAMA_HOST, OLLAMA_LIBRARY = "registry.ollama.ai", "library"
LATER_PART = re.compile(r"-(?!00001)\d{5}-of-\d{5}\.gguf$")
PROJECTOR = re.compile(r"(^|[-_.])mmproj", re.IGNORECASE)
"""The image half of a model, which is none by itself."""
MOST_MANIFEST = 1 << 20


class CachedFile(NamedTuple):
    """A GGUF file that another program keeps."""

    path: Path
    sha256: str
    """As its name claims; "" if the name does not say."""


def find(wanted: Download, environ: Mapping[str, str] = os.environ) -> tuple[Path, str] | None:
    """Return a file that claims to be these bytes and has their size, and whose cache it is in."""
    for path, owner in _places(wanted, environ):
        try:
            if path.stat().st_size == wanted.bytes and os.access(path, os.R_OK):
                return path.resolve(), owner
        except OSError:
            continue
    return None


def cached(environ: Mapping[str, str] = os.environ) -> dict[str, CachedFile]:
    """Return every model that other programs have, under the name that a person knows it by.

    Ollama's are named as `ollama list` does, Hugging Face's by their files, without `.gguf`.
    """
    found = dict[str, CachedFile]()
    for folder in _ollama_folders(environ):
        for name, file in _ollama_models(folder):
            found.setdefault(name, file)
    for path in sorted(_hugging_face_folder(environ).glob("models--*/snapshots/*/**/*.gguf")):
        if is_model(path) and os.access(path, os.R_OK):
            digest = path.resolve().name
            claimed = digest if re.fullmatch(r"[0-9a-f]{64}", digest) else ""
            found.setdefault(path.stem, CachedFile(path, claimed))
    return found


def in_folder(folder: Path) -> Iterator[Path]:
    """Yield the models below a folder, by path: whole files and first parts, no image halves."""
    for path in sorted(folder.rglob("*.gguf")):
        if is_model(path):
            yield path


def is_model(path: Path) -> bool:
    """Return whether a GGUF file can be loaded as a model, as far as its name says."""
    return not LATER_PART.search(path.name) and not PROJECTOR.search(path.name)


def _ollama_models(folder: Path) -> Iterator[tuple[str, CachedFile]]:
    manifests = folder / "manifests"
    for path in sorted(manifests.glob("*/*/*/*")):
        host, owner, model, tag = path.relative_to(manifests).parts
        name = f"{model}:{tag}"
        if owner != OLLAMA_LIBRARY or host != OLLAMA_HOST:
            name = f"{owner}/{name}"
        if host != OLLAMA_HOST:
            name = f"{host}/{name}"
        if (digest := _weights_of(path)) is not None:
            blob = folder / "blobs" / f"sha256-{digest}"
            if os.access(blob, os.R_OK):
                yield name, CachedFile(blob, digest)


def _weights_of(manifest: Path) -> str | None:
    """Return the digest of a manifest's weights; None if it can't be read or has none, or several."""
    try:
        with manifest.open("rb") as file:
            layers: list[dict[str, Any]] = json.loads(file.read(MOST_MANIFEST))["layers"]
            digests = [str(x["digest"]) for x in layers if x["mediaType"] == OLLAMA_WEIGHTS]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    matches = [re.fullmatch(r"sha256:([0-9a-f]{64})", digest) for digest in digests]
    return matches[0][1] if len(matches) == 1 and matches[0] else None


def _ollama_folders(environ: Mapping[str, str]) -> list[Path]:
    own = environ.get("OLLAMA_MODELS")
    return [Path(own)] if own else [home_directory(environ) / ".ollama" / "models", OLLAMA_SERVICE]


def _hugging_face_folder(environ: Mapping[str, str]) -> Path:
    if hub := environ.get("HF_HUB_CACHE"):
        return Path(hub)
    home = environ.get("HF_HOME")
    return (Path(home) if home else home_directory(environ) / ".cache" / "huggingface") / "hub"


def _places(wanted: Download, environ: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    for folder in _ollama_folders(environ):
        yield folder / "blobs" / f"sha256-{wanted.sha256}", "Ollama's files"
    repository = f"models--{wanted.repository.replace('/', '--')}"
    folder = _hugging_face_folder(environ)
    yield folder / repository / "blobs" / wanted.sha256, "the cache of Hugging Face"
