"""How long `/api/tags` takes with 200 GGUF files: `make bench NAME=model-list`.

The daemon is a real one in a home of its own; the files have a vocabulary of 150,000 tokens, as Qwen's. Rows go to
`build/bench/model-list.json`.
"""

import json
import os
import statistics
import tempfile
import time
from pathlib import Path

import gguf
import httpx

from atos_protocol.daemons import ensure, stop
from atos_protocol.settings import load_settings

FILES, CALLS, TOKENS = 200, 300, 150_000
OUT = Path("build/bench/model-list.json")


def write(folder: Path) -> None:
    """Write one header with a large vocabulary, and hard links to it under other names."""
    first = folder / "model-000.gguf"
    writer = gguf.GGUFWriter(str(first), "llama")
    writer.add_context_length(4096)
    writer.add_embedding_length(64)
    writer.add_block_count(2)
    writer.add_head_count(4)
    writer.add_token_list([f"token{number}" for number in range(TOKENS)])
    writer.add_token_merges([f"t {number}" for number in range(TOKENS)])
    writer.add_chat_template("{{ messages }}")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    for number in range(1, FILES):
        os.link(first, folder / f"model-{number:03}.gguf")


def asked(http: httpx.Client) -> tuple[float, int, int]:
    """Ask once; return milliseconds, models listed, and those whose headers are read."""
    began = time.perf_counter()
    models = http.get("/api/tags").json()["models"]
    took = 1000 * (time.perf_counter() - began)
    return took, len(models), sum(not m["details"].get("unread") for m in models)


def quantile(times: list[float], share: float) -> float:
    return sorted(times)[min(len(times) - 1, int(share * len(times)))]


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="atosb") as home:
        folder = Path(home) / "gguf"
        folder.mkdir()
        write(folder)
        os.environ |= {"HOME": home, "ATOS_HOME": f"{home}/h", "ATOS_GGUF": str(folder)}
        os.environ |= {"ATOS_OLLAMA_URL": "", "ATOS_HTTP_PORT": "0"}
        rows = [measure("first start"), measure("second start")]
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(rows, indent=2), encoding="utf-8")
    for row in rows:
        print(row)


def measure(name: str) -> dict[str, object]:
    settings = load_settings()
    began = time.perf_counter()
    ensure("scheduler", settings)
    ready = time.perf_counter() - began
    transport = httpx.HTTPTransport(uds=str(settings.scheduler_socket))
    try:
        with httpx.Client(transport=transport, base_url="http://atos", timeout=60) as http:
            first = asked(http)
            give_up = time.perf_counter() + 300
            while asked(http)[2] < FILES and time.perf_counter() < give_up:
                time.sleep(0.2)
            read = time.perf_counter() - began
            times = list[float]()
            for _ in range(CALLS):
                times.append(asked(http)[0])
                time.sleep(0.02)  # so that several refreshes fall among the calls
    finally:
        stop("scheduler", settings)
    return {
        "run": name, "files": FILES, "ready_s": round(ready, 2), "first_listed": first[1],
        "first_ms": round(first[0], 1), "all_read_s": round(read, 1), "calls": CALLS,
        "p50_ms": round(statistics.median(times), 1), "p99_ms": round(quantile(times, 0.99), 1),
    }  # fmt: skip


if __name__ == "__main__":
    main()
