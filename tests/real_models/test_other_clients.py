"""Other people's clients, each installed into an environment of its own, against a real 0.5B (`make test-long`).

`ATOS_TEST_CLIENTS=FOLDER` keeps the environments there; what they could not do stands in docs/gateway.md.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = [pytest.mark.long, pytest.mark.timeout(2400)]

CITY = """
import os
from pydantic import BaseModel
class City(BaseModel):
    name: str
    country: str
def get_weather(city: str) -> str:
    "Tells the weather of a city."
    return "sunny"
url, model = os.environ["OLLAMA_HOST"], os.environ["MODEL"]
HI, ASK = "Say hello in one word.", "What is the weather in Paris? Use the tool."
NAME = "Which city is the capital of France? Name it and its country, as JSON."
COUNT = "Count from one to five in words."
"""
LANGCHAIN = """
from langchain_ollama import ChatOllama, OllamaEmbeddings
chat = ChatOllama(model=model, base_url=url, temperature=0, num_predict=80)
print("chat", bool(chat.invoke(HI).content))
print("stream", sum(bool(part.content) for part in chat.stream(COUNT)) > 1)
print("tools", [c["name"] for c in chat.bind_tools([get_weather]).invoke(ASK).tool_calls] == ["get_weather"])
print("schema", isinstance(chat.with_structured_output(City).invoke(NAME), City))
print("embed", len(OllamaEmbeddings(model=model, base_url=url).embed_query("a cat")) > 100)
"""
LITELLM = """
import json, litellm
def ask(text, model, base, **more):
    found = litellm.completion(
        model=model, api_base=base, api_key="any", max_tokens=80, temperature=0,
        messages=[{"role": "user", "content": text}], **more,
    )
    return found
parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
about = {"name": "get_weather", "description": "Tells the weather of a city", "parameters": parameters}
tools = [{"type": "function", "function": about}]
for kind, base in (("ollama_chat", url), ("openai", url + "/v1"), ("anthropic", url)):
    name = f"{kind}/{model}"
    print(kind, "chat", bool(ask(HI, name, base).choices[0].message.content))
    parts = [part.choices[0].delta.content for part in ask(HI, name, base, stream=True)]
    print(kind, "stream", any(parts))
    calls = ask(ASK, name, base, tools=tools, tool_choice="required").choices[0].message.tool_calls
    print(kind, "tools", [call.function.name for call in calls or []] == ["get_weather"])
    held = ask(NAME, name, base, response_format=City).choices[0].message.content
    print(kind, "schema", isinstance(City.model_validate_json(held), City))
for kind, base in (("ollama", url), ("openai", url + "/v1")):
    found = litellm.embedding(model=f"{kind}/{model}", api_base=base, api_key="any", input=["a cat"])
    print(kind, "embed", len(found.data[0]["embedding"]) > 100)
"""
LLM = """
set -e
llm -m "ollama/$MODEL" --no-stream -o num_predict 20 "Say hello in one word." && echo chat True
llm -m "ollama/$MODEL" -o num_predict 20 "Say hello in one word." && echo stream True
llm -m "ollama/$MODEL" -o num_predict 80 -o temperature 0 --schema "name, country" \
  "Which city is the capital of France? Name it and its country." | python -m json.tool && echo schema True
llm -m "ollama/$MODEL" -o num_predict 80 -o temperature 0 --td --functions \
  'def get_weather(city: str) -> str:
  "Tells the weather of a city."
  return "sunny in " + city' \
  "What is the weather in Paris? Use the tool." 2>&1 | tee said || true
grep -q "Tool call: get_weather" said && grep -q "sunny in" said && echo tools True
llm embed -m "ollama/$MODEL" -c "a cat" | python -c "import json, sys; print('embed', len(json.load(sys.stdin)) > 100)"
"""
AIDER = """
set -e
export OLLAMA_API_BASE="$OLLAMA_HOST"
for model in "openai/$MODEL" "ollama_chat/$MODEL"; do
  echo 'def add(a, b): pass' > add.py
  aider --model "$model" --edit-format whole --message "Let add return the sum of a and b." --yes-always \
    --no-git --no-check-update --no-show-model-warnings --no-show-release-notes --analytics-disable \
    --map-tokens 0 --no-suggest-shell-commands add.py
  python -c "import add; print('${model%%/*} edited', add.add(2, 3) == 5)" || cat add.py
done
"""


@dataclass(frozen=True, slots=True)
class Client:
    """A program of others, and what it is asked to do."""

    packages: tuple[str, ...]
    command: tuple[str, ...]
    does: tuple[str, ...]
    """Lines of its output that say what it could do."""


def program(text: str) -> tuple[str, ...]:
    return "python", "-c", CITY + text


EVERYTHING = ("chat True", "stream True", "tools True", "schema True", "embed True")
OF_LITELLM = tuple(
    f"{kind} {what}"
    for kind in ("ollama_chat", "openai", "anthropic")
    for what in EVERYTHING
    if what != "embed True"
)
CLIENTS = {
    "langchain-ollama": Client(("langchain-ollama",), program(LANGCHAIN), EVERYTHING),
    "litellm": Client(
        ("litellm",), program(LITELLM), (*OF_LITELLM, "ollama embed True", "openai embed True")
    ),
    "llm": Client(("llm", "llm-ollama"), ("bash", "-c", LLM), EVERYTHING),
    "aider": Client(
        ("aider-chat",), ("bash", "-c", AIDER), ("openai edited True", "ollama_chat edited True")
    ),
}


def versions(place: Path, packages: tuple[str, ...]) -> list[str]:
    """Return each package with the version that was tried."""
    code = "import sys, importlib.metadata as m; print(*(f'{p} {m.version(p)}' for p in sys.argv[1:]), sep='\\n')"
    command = [place / "bin" / "python", "-c", code, *packages]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def environment(name: str, folder: Path) -> Path:
    """Return an environment with a client's packages, made anew unless one is kept."""
    kept = os.environ.get("ATOS_TEST_CLIENTS")
    place = Path(kept) / name if kept else folder / "venv"
    if not place.exists():
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
        install = [place / "bin" / "pip", "install", "-q", *CLIENTS[name].packages]
        subprocess.run(install, check=True)
    return place


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_of_others_does_what_it_does_with_ollama(
    name: str, port: tuple[str, str], tmp_path: Path
) -> None:
    client, (url, model) = CLIENTS[name], port
    place = environment(name, tmp_path)
    environ = os.environ | {
        "OLLAMA_HOST": url, "OPENAI_API_BASE": f"{url}/v1", "OPENAI_API_KEY": "any",
        "HOME": str(tmp_path), "LITELLM_LOCAL_MODEL_COST_MAP": "true", "MODEL": model,
        "PATH": f"{place / 'bin'}:{os.environ['PATH']}",
    }  # fmt: skip
    done = subprocess.run(
        client.command, env=environ, cwd=tmp_path, capture_output=True, text=True, check=False,
        timeout=1800, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    sys.stdout.write(f"\n{name}: {', '.join(versions(place, client.packages))}\n{done.stdout}\n")
    assert [line for line in client.does if line not in done.stdout] == [], done.stderr[-3000:]
    assert done.returncode == 0, done.stderr[-3000:]
