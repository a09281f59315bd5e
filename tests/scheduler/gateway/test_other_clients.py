"""Other people's clients, each installed into an environment of its own, against a port (`make test-long`)."""

import os
import subprocess
import sys
from pathlib import Path

import anyio.to_thread
import pytest

from atos_scheduler.engines.simulated import Simulated, SimulatedModel
from doubles.gateway_port import gateway_port

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]

LANGCHAIN = """
import os
from langchain_ollama import ChatOllama, OllamaEmbeddings
url = os.environ["OLLAMA_HOST"]
chat = ChatOllama(model="a", base_url=url)
print(chat.invoke("hi").content)
print("".join(part.content for part in chat.stream("hi")))
print(len(OllamaEmbeddings(model="a", base_url=url).embed_query("x")))
"""
LITELLM = """
import os, litellm
url, hi = os.environ["OLLAMA_HOST"], [{"role": "user", "content": "hi"}]
for model, base in (("ollama_chat/a", url), ("openai/a", url + "/v1"), ("anthropic/a", url)):
    reply = litellm.completion(model=model, api_base=base, api_key="any", messages=hi, max_tokens=99)
    print(reply.choices[0].message.content)
"""
CLIENTS = {
    "langchain-ollama": (["langchain-ollama"], ["python", "-c", LANGCHAIN]),
    "litellm": (["litellm"], ["python", "-c", LITELLM]),
    "llm": (["llm", "llm-ollama"], ["llm", "-m", "ollama/a", "hi"]),
    "aider": (
        ["aider-chat"],
        ["aider", "--model", "openai/a", "--message", "hi", "--yes-always", "--no-git",
         "--no-check-update", "--no-show-model-warnings", "--no-show-release-notes",
         "--analytics-disable"],
    ),
}  # fmt: skip


def versions(place: Path, packages: list[str]) -> list[str]:
    """Return each package with the version that was tried."""
    code = "import sys, importlib.metadata as m; print(*(f'{p} {m.version(p)}' for p in sys.argv[1:]), sep='\\n')"
    command = [place / "bin" / "python", "-c", code, *packages]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


@pytest.mark.parametrize("name", CLIENTS)
async def test_a_client_of_others_gets_its_answer(name: str, tmp_path: Path) -> None:
    packages, command = CLIENTS[name]
    place = Path(os.environ.get("ATOS_TEST_CLIENTS_VENV") or tmp_path / "venv")

    def install() -> None:
        if not place.exists():
            subprocess.run([sys.executable, "-m", "venv", place], check=True)
            subprocess.run([place / "bin" / "pip", "install", "-q", *packages], check=True)

    async with gateway_port([Simulated([SimulatedModel("a", 1 << 20)])]) as (_, url):
        environ = os.environ | {
            "OLLAMA_HOST": url, "OPENAI_API_BASE": f"{url}/v1", "OPENAI_API_KEY": "any",
            "HOME": str(tmp_path), "LITELLM_LOCAL_MODEL_COST_MAP": "true",
        }  # fmt: skip

        def run() -> subprocess.CompletedProcess[str]:
            program = [str(place / "bin" / command[0]), *command[1:]]
            return subprocess.run(
                program, env=environ, cwd=tmp_path, capture_output=True, text=True, check=False,
                timeout=300, stdin=subprocess.DEVNULL,
            )  # fmt: skip

        await anyio.to_thread.run_sync(install)
        done = await anyio.to_thread.run_sync(run)
    sys.stdout.write(f"\n{name}: {', '.join(versions(place, packages))}\n")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "This is a simulated reply" in done.stdout
