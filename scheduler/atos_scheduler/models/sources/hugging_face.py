"""Hugging Face, by its own package: the maker's repository at a pinned commit.

One cheap question comes first: it fails at once where the site can't be reached (the package would
try for 25 s), and the answer has size and sha256 before the first byte. The file is ours, not one of the
person's cache, and is handed to the package's own download with the length that it has: since 2.4 its
`hf_hub_download` begins anew in every process. The chunk protocol (xet) can't go on at a byte, so plain
ranges are used.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from atos_protocol.errors import AtosError, UnreachableError, WrongBytesError
from atos_scheduler.catalogue.origin import Download

ASK_SECONDS = 10.0
DEFAULTS = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DOWNLOAD_TIMEOUT": "30",
}
"""The package reads these when it is imported; the last one is its longest wait for a piece."""


class HuggingFace:
    """Fetches one file of one commit."""

    name = "huggingface"

    def describe(self, wanted: Download) -> str:
        """Name the repository and its commit."""
        return f"Hugging Face, {wanted.repository} at {wanted.revision[:12]}"

    def lacks(self, wanted: Download) -> str:
        """Need a pinned commit."""
        return "" if wanted.revision else "no revision of it is pinned"

    def extra_disk(self, wanted: Download) -> int:
        """Need nothing more."""
        return 0

    def fetch(self, wanted: Download, folder: Path) -> Path:
        """Ask for size and sha256, then append what is missing."""
        for name, value in DEFAULTS.items():
            os.environ.setdefault(name, value)
        logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / wanted.file
        try:
            _append(_location(wanted), wanted, file)
        except AtosError:
            raise
        except Exception as error:  # the package raises what its HTTP library does, and more
            if isinstance(error, OSError) and error.errno and error.filename:
                raise
            reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
            message = f"Hugging Face can't be used: {reason}"
            step = "Check the connection, then try again."
            raise UnreachableError(message, next_step=step) from error
        return file


def _location(wanted: Download) -> str:
    """Return where the bytes are now.

    Raises:
        WrongBytesError: the site says that it has other bytes.
    """
    import huggingface_hub as hub

    url = hub.hf_hub_url(wanted.repository, wanted.file, revision=wanted.revision)
    found = hub.get_hf_file_metadata(  # pyright: ignore[reportUnknownMemberType]
        url, timeout=ASK_SECONDS, token=False
    )
    if found.size not in {None, wanted.bytes}:
        message = f"Hugging Face has {found.size} bytes of {wanted.file}, not {wanted.bytes}"
        raise WrongBytesError(message)
    etag = found.etag or ""
    if len(etag) == len(wanted.sha256) and etag != wanted.sha256:
        message = f"Hugging Face has another {wanted.file}: sha256 {etag[:16]}..."
        raise WrongBytesError(message)
    return found.location


def _append(url: str, wanted: Download, file: Path) -> None:
    from huggingface_hub.file_download import http_get  # pyright: ignore[reportUnknownVariableType]

    with file.open("r+b" if file.exists() else "w+b", buffering=0) as out:
        have = out.seek(0, os.SEEK_END)
        if have > wanted.bytes:
            have = out.truncate(out.seek(0))
        http_get(url, out, resume_size=have, expected_size=wanted.bytes)
