"""`atos-client n8n setup` and `n8n check`: ATOS's nodes, credentials and workflows in an n8n, here or in a container.

    package (.tgz) -> n8n's nodes folder      token, webhook key, gateway port -> credentials -> import:credentials
    its workflows, addresses filled in -> import:workflow -> publish:workflow -> a person starts n8n anew

Everything goes through n8n's own commands, so a container needs nothing but `docker exec`. Doing it again replaces
what it made, the token included.
"""

from __future__ import annotations

import json
from argparse import Namespace
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, build_opener

from atos.cli.n8n_instance import Instance
from atos.cli.n8n_package import find_package
from atos.cli.plugging.host_file import replace
from atos.cli.scheduler_call import scheduler_call
from atos.cli.stay import set_stay
from atos_protocol.daemons import ensure
from atos_protocol.errors import ConflictError
from atos_protocol.settings import Settings
from atos_protocol.tokens import add_token, new_token, rotate_token

TOKEN = "n8n"
KEY_FILE = "n8n.key"
REACH_SECONDS = 10.0
ROUTER = """\
workflows:
  - name: router
    url: http://127.0.0.1:5678/webhook/atos-route
    description: Chooses the models of a goal's tasks (build --router n8n)
    secret: {header: x-atos-webhook-key, file: n8n.key}
"""


def n8n(arguments: Namespace, settings: Settings) -> int:
    """Carry out `setup` or `check`."""
    return {"setup": setup, "check": check}[arguments.action](arguments, settings)


def setup(arguments: Namespace, settings: Settings) -> int:
    """Put everything into n8n; what was there under the same ids is replaced."""
    package = find_package(arguments.package)
    instance = Instance(arguments.container, arguments.n8n)
    version = instance.version()
    base = _base(settings, instance)
    said = [f"n8n {version}{' in ' + instance.container if instance.container else ''}"]
    instance.install(package)
    said.append(f"nodes        {package.name} {package.version}")
    models = arguments.model_url or _model_port(settings, instance)
    rows = credentials(base, _token(settings), _webhook_key(settings), models)
    instance.import_credentials(rows)
    said.append(f"credentials  {', '.join(row['name'] for row in rows)}")
    workflows = package.workflows(base)
    instance.import_workflows(workflows)
    for each in workflows:
        instance.publish(each["id"])
    said += [f"workflow     {each['name']}" for each in workflows]
    said += _router_file(settings)
    said += set_stay(settings, stay=True)
    said += [
        f"callers of the webhooks send the header x-atos-webhook-key with the line in {settings.home / KEY_FILE}",
        f"Now start n8n anew: it reads nodes and published workflows when it starts{instance.restart}.",
        f"Then: atos-client n8n check{instance.option}",
    ]
    print(json.dumps({"notes": said, "models": models}) if arguments.json else "\n".join(said))
    return 0


def check(arguments: Namespace, settings: Settings) -> int:
    """Say how n8n stands; the exit code is 1 where something is missing."""
    instance = Instance(arguments.container, arguments.n8n)
    again = f"atos-client n8n setup{instance.option}"
    found: list[tuple[bool, str]] = [(True, f"n8n {instance.version()} answers")]
    nodes = instance.installed()
    found.append((bool(nodes), f"nodes {nodes}" if nodes else f"no ATOS nodes: {again}"))
    known = [each for each in instance.workflows() if str(each.get("id", "")).startswith("atos")]
    on = [each for each in known if each.get("activeVersionId") or each.get("active")]
    told = f"{len(known)} workflows of ATOS, {len(on)} published"
    found.append((bool(known), told if known else f"no workflow of ATOS: {again}"))
    base = _base(settings, instance)
    status = instance.status_of(f"{base}/healthz") if instance.container else _status(base)
    found.append((status == 401, _reach(base, status)))
    if arguments.json:
        print(json.dumps([{"ok": ok, "text": text} for ok, text in found]))
    else:
        print("\n".join(f"{'ok  ' if ok else 'MISS'} {text}" for ok, text in found))
    return 0 if all(ok for ok, _ in found) else 1


def credentials(base: str, token: str, key: str, models: str) -> list[dict[str, Any]]:
    """Return the credentials that the workflows name, in the form that n8n imports."""
    rows: list[tuple[str, str, str, dict[str, str]]] = [
        ("atosApi000000001", "ATOS local", "atosApi", {"baseUrl": base, "token": token}),
        ("atosMcpBearer001", "ATOS token", "httpBearerAuth", {"token": token}),
        ("atosOpenAi000001", "ATOS models", "openAiApi", {"apiKey": "atos", "url": f"{models}/v1"}),
        ("atosOllama000001", "ATOS models (Ollama)", "ollamaApi", {"baseUrl": models}),
        (
            "atosWebhook00001",
            "ATOS webhook key",
            "httpHeaderAuth",
            {"name": "x-atos-webhook-key", "value": key},
        ),
    ]
    return [{"id": i, "name": n, "type": t, "data": data} for i, n, t, data in rows]


def _base(settings: Settings, instance: Instance) -> str:
    """Return ATOS's address as n8n sees it.

    Raises:
        ConflictError: n8n is in a container, and containers may not call.
    """
    if not instance.container:
        return f"http://127.0.0.1:{settings.http_port}"
    if not settings.bridge_address:
        message = f"{instance.container} can't reach ATOS: containers may not call it"
        raise ConflictError(message, next_step="atos-client up --docker")
    return f"http://{settings.bridge_hosts[0]}:{settings.http_port}"


def _model_port(settings: Settings, instance: Instance) -> str:
    """Return the address of n8n's own port of the gateway, which is opened if need be."""
    ensure("scheduler", settings)
    body = {"kind": "batch", "port": 0, "weight": 1.0}
    port = scheduler_call(settings, "PUT", f"/atos/v1/clients/{TOKEN}", body)["port"]
    return f"http://{settings.bridge_hosts[0] if instance.container else '127.0.0.1'}:{port}"


def _token(settings: Settings) -> str:
    try:
        return add_token(settings, TOKEN)
    except ConflictError:  # nobody can read the one that there is
        return rotate_token(settings, TOKEN)


def _webhook_key(settings: Settings) -> str:
    path = settings.home / KEY_FILE
    if not path.exists():
        settings.prepare()
        replace(path, f"{new_token()}\n", 0o600)
    return path.read_text(encoding="utf-8").strip()


def _router_file(settings: Settings) -> list[str]:
    """Have ATOS know the router's workflow; a file that is there is the person's."""
    path = settings.home / "workflows.yaml"
    if not path.exists():
        replace(path, ROUTER, 0o600)
        return [f"{path}: router, for build --router n8n"]
    known = "router" in path.read_text(encoding="utf-8")
    return (
        [] if known else [f"for build --router n8n, add to {path}:\n{ROUTER.partition(chr(10))[2]}"]
    )


def _status(base: str) -> int:
    """Return the status of ATOS's health route without a token; 0 where nothing answers."""
    try:
        # what is on this machine goes through no proxy
        with build_opener(ProxyHandler({})).open(
            f"{base}/healthz", timeout=REACH_SECONDS
        ) as answer:
            return answer.status
    except HTTPError as error:
        return error.code
    except (URLError, OSError):
        return 0


def _reach(base: str, status: int) -> str:
    if status == 401:
        return f"ATOS answers n8n at {base} and asks for a token"
    if status == 421:
        return f"ATOS does not go by the name in {base}: set ATOS_BRIDGE_HOSTS, then: atos-client down; atos-client up"
    said = "nothing answers" if not status else f"HTTP {status}"
    return f"{said} at {base}, as n8n sees it: atos-client up, and in a container --add-host=host.docker.internal:host-gateway"
