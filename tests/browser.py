"""Have a Chromium for the page's tests: where none is on PATH, playwright's own is fetched, once (about 150 MB).

Where it can't be fetched, this says so and the tests that need it are skipped. `make test` calls it first.
"""

import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
FETCH_SECONDS = 300.0


def main() -> int:
    """Look for a browser, fetch one where there is none; the exit status is always 0."""
    if any(map(shutil.which, NAMES)):
        return 0
    fetch = [sys.executable, "-m", "playwright", "install", "chromium"]
    try:
        done = subprocess.run(fetch, capture_output=True, timeout=FETCH_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        done = None
    if done is None or done.returncode:
        sys.stderr.write(
            "no Chromium here and none can be fetched: the page's browser tests are skipped"
            " (Debian: apt-get install chromium)\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
