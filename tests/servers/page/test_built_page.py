"""The built page is what its sources say; no Node is needed to find a stale one."""

import hashlib
import json
from pathlib import Path

ROOT = Path(__file__).parents[3]
BUILT = ROOT / "servers" / "atos_servers" / "page" / "static" / "sources.json"


def test_the_page_was_built_from_the_sources_that_are_here() -> None:
    sources = ROOT / "page"
    names = ["package.json", *sorted(f"src/{path.name}" for path in (sources / "src").iterdir())]
    now = {name: hashlib.sha256((sources / name).read_bytes()).hexdigest() for name in names}
    assert json.loads(BUILT.read_text(encoding="utf-8")) == now, (
        "cd page && npm ci && npm run build"
    )
