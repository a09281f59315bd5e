"""`n8n setup` and `n8n check`, with a stand-in for n8n's commands: what it is given, and what a person is told."""

import io
import json
import stat
import tarfile
from pathlib import Path
from typing import Any

import pytest
from inline_snapshot import snapshot

from atos.cli.main import main
from atos.cli.n8n_package import find_package
from atos_protocol.errors import NotFoundError
from atos_protocol.settings import load_settings
from atos_protocol.tokens import named_tokens

N8N = """#!/bin/sh
case "$1" in
--version) echo 2.41.1 ;;
import:*) for each in "$@"; do case $each in --input=*) cp "${each#--input=}" "$HOME/$1.json" ;; esac; done ;;
publish:workflow) echo "$2" >> "$HOME/published" ;;
export:workflow) for each in "$@"; do case $each in --output=*)
  echo '[{"id": "atosRouteAggr001", "activeVersionId": "v1"}, {"id": "other"}]' > "${each#--output=}" ;; esac; done ;;
esac
"""
NPM = """#!/bin/sh
mkdir -p node_modules/n8n-nodes-atos
echo '{"version": "0.1.0"}' > node_modules/n8n-nodes-atos/package.json
"""
DOCKER = """#!/bin/sh
shift 3
exec "$@"
"""
WORKFLOW = {
    "id": "atosRouteAggr001",
    "name": "ATOS: route",
    "url": "http://127.0.0.1:8756/orchestrate/mcp",
}


@pytest.fixture
def person(atos_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person with n8n, npm and docker, all of them stand-ins, and a packed node package."""
    home = tmp_path / "person"
    programs = tmp_path / "programs"
    programs.mkdir()
    home.mkdir()
    for name, script in (("n8n", N8N), ("npm", NPM), ("docker", DOCKER)):
        (programs / name).write_text(script, encoding="utf-8")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setenv("ATOS_HTTP_PORT", "18756")
    monkeypatch.delenv("N8N_USER_FOLDER", raising=False)
    with tarfile.open(home / "n8n-nodes-atos-0.1.0.tgz", "w:gz") as archive:
        for name, value in {
            "package/package.json": {"name": "n8n-nodes-atos", "version": "0.1.0"},
            "package/workflows/route.json": WORKFLOW,
        }.items():
            content = json.dumps(value).encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return home


def setup(person: Path, *more: str) -> int:
    return main(["n8n", "setup", "--package", str(person), "--model-url", "http://m:1", *more])


def imported(person: Path, what: str) -> Any:
    return json.loads((person / f"import:{what}.json").read_text(encoding="utf-8"))


def test_setup_gives_n8n_nodes_credentials_and_published_workflows(
    person: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert setup(person) == 0
    settings = load_settings()
    base = f"http://127.0.0.1:{settings.http_port}"
    rows = {row["name"]: row["data"] for row in imported(person, "credentials")}
    token = rows["ATOS local"]["token"]
    key = (settings.home / "n8n.key").read_text(encoding="utf-8").strip()
    assert rows == {
        "ATOS local": {"baseUrl": base, "token": token},
        "ATOS token": {"token": token},
        "ATOS models": {"apiKey": "atos", "url": "http://m:1/v1"},
        "ATOS models (Ollama)": {"baseUrl": "http://m:1"},
        "ATOS webhook key": {"name": "x-atos-webhook-key", "value": key},
    }
    assert imported(person, "workflow") == [{**WORKFLOW, "url": f"{base}/orchestrate/mcp"}]
    assert (person / "published").read_text() == "--id=atosRouteAggr001\n"
    assert [each.name for each in named_tokens(settings)] == ["n8n"]
    assert stat.S_IMODE((settings.home / "n8n.key").stat().st_mode) == 0o600
    assert "name: router" in (settings.home / "workflows.yaml").read_text(encoding="utf-8")
    said = capsys.readouterr().out
    assert token not in said
    assert key not in said
    assert said.replace(str(settings.home), "HOME") == snapshot("""\
n8n 2.41.1
nodes        n8n-nodes-atos 0.1.0
credentials  ATOS local, ATOS token, ATOS models, ATOS models (Ollama), ATOS webhook key
workflow     ATOS: route
HOME/workflows.yaml: router, for build --router n8n
idle daemons stay up
the scheduler stays up until it is ended; after a restart of the machine: atos-client up
callers of the webhooks send the header x-atos-webhook-key with the line in HOME/n8n.key
Now start n8n anew: it reads nodes and published workflows when it starts.
Then: atos-client n8n check
""")


def test_again_it_replaces_the_token_and_leaves_the_persons_workflows_alone(person: Path) -> None:
    assert setup(person) == 0
    first = imported(person, "credentials")[0]["data"]["token"]
    mine = load_settings().home / "workflows.yaml"
    mine.write_text("workflows: []\n", encoding="utf-8")
    assert setup(person) == 0
    assert imported(person, "credentials")[0]["data"]["token"] != first
    assert mine.read_text(encoding="utf-8") == "workflows: []\n"
    assert len(named_tokens(load_settings())) == 1


def test_a_container_is_given_the_bridges_address_or_told_to_open_it(
    person: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert setup(person, "--container", "atos-n8n") != 0
    assert "atos-client up --docker" in capsys.readouterr().err
    monkeypatch.setenv("ATOS_BRIDGE_ADDRESS", "172.17.0.1")
    assert setup(person, "--container", "atos-n8n") == 0
    base = f"http://host.docker.internal:{load_settings().http_port}"
    assert imported(person, "credentials")[0]["data"]["baseUrl"] == base
    assert "docker restart atos-n8n" in capsys.readouterr().out


def test_check_names_what_is_missing_and_how_it_is_mended(
    person: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["n8n", "check"]) == 1
    before = capsys.readouterr().out
    assert setup(person) == 0
    capsys.readouterr()
    assert main(["n8n", "check"]) == 1, "ATOS is down"
    assert before + capsys.readouterr().out == snapshot("""\
ok   n8n 2.41.1 answers
MISS no ATOS nodes: atos-client n8n setup
ok   1 workflows of ATOS, 1 published
MISS nothing answers at http://127.0.0.1:18756, as n8n sees it: atos-client up, and in a container --add-host=host.docker.internal:host-gateway
ok   n8n 2.41.1 answers
ok   nodes 0.1.0
ok   1 workflows of ATOS, 1 published
MISS nothing answers at http://127.0.0.1:18756, as n8n sees it: atos-client up, and in a container --add-host=host.docker.internal:host-gateway
""")


def test_without_n8n_or_a_package_it_says_what_to_do(
    person: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["n8n", "check", "--n8n", "no-such-n8n"]) != 0
    assert "--container NAME; docker ps" in capsys.readouterr().err
    for place in (tmp_path, tmp_path / "absent.tgz"):
        with pytest.raises(NotFoundError) as caught:
            find_package(str(place))
        assert "npm pack" in caught.value.next_step
    broken = tmp_path / "n8n-nodes-atos-9.tgz"
    broken.write_bytes(b"no archive")
    with pytest.raises(NotFoundError, match="is no packed node package"):
        find_package(str(broken))
