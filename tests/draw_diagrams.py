"""Draws the diagrams of the pages once, so that no reader's browser fetches a program: `python tests/draw_diagrams.py`.

Each Mermaid block becomes `docs/pictures/diagrams/SHA.svg`, named by its source, which the site shows in its place
(`docs/site/site_hooks.py`). A test fails where a block has no picture or a picture no block. Needs Chromium and npm, which fetches
Mermaid once.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Error, sync_playwright

from doubles.page_browser import CHROMIUM

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "docs" / "site"))

from drawn_diagrams import FOLDER, blocks, picture

MERMAID = "mermaid@12.3.0"
SETTINGS = {
    "startOnLoad": False, "theme": "neutral", "securityLevel": "strict", "htmlLabels": False,
    "flowchart": {"htmlLabels": False}, "fontFamily": "sans-serif", "deterministicIds": True,
}  # fmt: skip
DRAW = "([id, source]) => mermaid.render(id, source).then((drawn) => drawn.svg)"


def program(folder: Path) -> Path:
    """Fetch Mermaid's program into a folder; return its file."""
    command = ["npm", "pack", MERMAID, "--silent", "--pack-destination", str(folder)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    (packed,) = folder.glob("*.tgz")
    with tarfile.open(packed) as archive:
        archive.extract("package/dist/mermaid.min.js", folder, filter="data")
    return folder / "package" / "dist" / "mermaid.min.js"


def main() -> int:
    """Draw what has no picture yet, and remove pictures of blocks that are gone."""
    wanted = {picture(source): source for _, source in blocks(ROOT)}
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in set(FOLDER.glob("*.svg")) - set(wanted):
        old.unlink()
    missing = {path: source for path, source in wanted.items() if not path.exists()}
    failed = 0
    with tempfile.TemporaryDirectory() as place, sync_playwright() as driver:
        script = program(Path(place))
        browser = driver.chromium.launch(executable_path=CHROMIUM or None)
        page = browser.new_page()
        page.set_content("<!doctype html><meta charset=utf-8><body></body>")
        page.add_script_tag(path=script)
        page.evaluate("(settings) => mermaid.initialize(settings)", SETTINGS)
        for path, source in missing.items():
            try:
                drawn: Any = page.evaluate(DRAW, [f"d{path.stem}", source])
            except Error as error:
                where = next(str(place) for place, each in blocks(ROOT) if each == source)
                sys.stderr.write(f"{where}: {error.message[:400]}\n")
                failed += 1
                continue
            path.write_text(f"{drawn}\n", encoding="utf-8")
            sys.stdout.write(f"{path.relative_to(ROOT)}\n")
        browser.close()
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
