"""Hugging Face, by its own package: the maker's repository at a pinned commit.

One cheap question comes first: it fails at once where the site can't be reached (the package would
try for 25 s), and the site tells size and sha256 before the first byte. The file goes into our own
folder, so the person's cache is not touched. The package's chunk protocol (xet) is off: only plain
ranges go on at the byte where they broke off.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from atos_protocol.errors import UnreachableError, WrongBytesError
from atos_scheduler.catalogue.origin import Download

ASK_SECONDS = 10.0
DEFAULTS = {
    "HF_HUB_DISABLE_XET": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DOWNLOAD_TIMEOUT": "30",
}
"""The package reads these when it is imported."""


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
        """Need nothing more: the file is renamed when it is complete."""
        return 0

    def fetch(self, wanted: Download, folder: Path) -> Path:
        """Ask for size and sha256, then download or go on."""
        for name, value in DEFAULTS.items():
            os.environ.setdefault(name, value)
        import huggingface_hub
        from huggingface_hub.errors import HfHubHTTPError

        logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
        try:
            self._ask(wanted)
            path = huggingface_hub.hf_hub_download(  # pyright: ignore[reportUnknownMemberType]
                wanted.repository,
                wanted.file,
                revision=wanted.revision,
                local_dir=folder,
                etag_timeout=ASK_SECONDS,
                token=False,
            )
        except HfHubHTTPError as error:
            reason = f"it answers {error.response.status_code} for {wanted.repository}"
            raise _unreachable(reason) from error
        except Exception as error:
            if isinstance(error, WrongBytesError) or _is_disk(error):
                raise
            raise _unreachable(str(error).splitlines()[0][:200]) from error
        return Path(path)

    def _ask(self, wanted: Download) -> None:
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


def _is_disk(error: Exception) -> bool:
    return isinstance(error, OSError) and error.errno is not None and error.filename is not None


def _unreachable(reason: str) -> UnreachableError:
    message = f"Hugging Face can't be used: {reason}"
    return UnreachableError(message, next_step="Check the connection, then try again.")
