"""The scheduler is ready in two seconds because engines import nothing heavy before they need it."""

import subprocess
import sys

HEAVY = {"httpx", "jsonschema", "ollama", "pydantic", "xllamacpp", "pynvml", "numpy", "gguf"}

SCRIPT = """
import sys
import atos_scheduler.engines.llama_cpp, atos_scheduler.engines.ollama
import atos_scheduler.engines.openai, atos_scheduler.engines.simulated
import atos_scheduler.devices.selection
print(" ".join(sys.modules))
"""


def test_importing_every_engine_and_device_imports_nothing_heavy() -> None:
    run = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(run, check=True, capture_output=True, text=True, timeout=20)
    assert HEAVY & set(done.stdout.split()) == set()
