"""An `ollama` for tests: `ollama serve` runs the stand-in server at OLLAMA_HOST."""

import os
import signal
import sys
from pathlib import Path


def write(folder: Path, *, broken: bool = False) -> Path:
    """Write an executable `ollama`; a broken one says why it can't start, and ends."""
    file = folder / "ollama"
    tests = Path(__file__).parent.parent
    paths = [p for p in sys.path if p]
    lines = [f"#!{sys.executable}", "import sys"]
    if broken:
        lines.append("sys.exit('Error: could not create the models folder')")
    else:
        lines += [
            f"sys.path[:0] = {[str(tests), *paths]!r}",
            "from doubles.ollama_binary import main",
            "main()",
        ]
    file.write_text("\n".join(lines) + "\n")
    file.chmod(0o755)
    return file


def main() -> None:
    from doubles.fake_ollama import FakeModel, FakeOllama

    assert sys.argv[1:] == ["serve"]
    port = int(os.environ["OLLAMA_HOST"].rpartition(":")[2])
    with FakeOllama([FakeModel("a:latest")], port=port):
        signal.pause()
