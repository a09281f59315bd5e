"""Where ATOS keeps its things and how it is tuned: one frozen `Settings`, read once per process.

Precedence: environment `ATOS_*` > `~/.atos/.env` > defaults. Everything lives below the home
directory (HOME, else the passwd entry), because MCP hosts pass their servers six environment
variables and no more: a path that depended on another one would give a terminal and a GUI host two
daemons, and so two owners of one GPU. `ATOS_HOME` moves everything at once, for tests.

Standard library only: `atos-client` and the stdio shim read it before anything heavy is imported.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from atos_protocol import setting_values as values
from atos_protocol.env_file import read_env_file
from atos_protocol.errors import BadConfigError
from atos_protocol.home_folders import prepare_home


def _setting(default: Any, parse: Callable[[str], Any], expects: str, about: str) -> Any:
    metadata = {"parse": parse, "expects": expects, "about": about}
    return field(
        default=default, metadata=metadata, repr="URL" not in expects
    )  # may hold a password


def home_directory(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the person's home: HOME where it is set, else what the passwd entry says.

    Raises:
        BadConfigError: neither is there, as in a container that runs as a number.
    """
    try:
        return Path(environ.get("HOME") or pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        message = f"HOME is not set, and user {os.getuid()} has no entry in passwd"
        step = "Set HOME to a folder that is yours."
        raise BadConfigError(message, next_step=step) from None


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that may be tuned, with its unit; `ATOS_<NAME>` sets a field by its name."""

    home: Path
    workspaces: Path
    directories: tuple[Path, ...] = _setting(
        (),
        values.read_directories,
        "absolute paths separated by ':'",
        "what MCP clients may access, besides the workspaces folder, when they name no directories",
    )
    read_only_directories: tuple[Path, ...] = _setting(
        (),
        values.read_directories,
        "absolute paths separated by ':'",
        "what MCP clients may read and never change, also where it lies in another directory",
    )
    callback_hosts: tuple[str, ...] = _setting(
        (),
        values.read_hosts,
        "host names separated by ','",
        "where callbacks may go besides this machine, such as the container of n8n",
    )
    bridge_address: str = _setting(
        "",
        values.read_private_address,
        "a private IPv4 address of this machine",
        "where containers reach ATOS, such as Docker's bridge; 127.0.0.1 with Docker Desktop; empty: nowhere",
    )
    bridge_hosts: tuple[str, ...] = _setting(
        ("host.docker.internal",),
        values.read_hosts,
        "host names separated by ','",
        "by which names containers call this machine",
    )
    http_port: int = _setting(
        8756,
        values.read_port,
        "a port from 0 to 65535",
        "loopback port of the MCP servers; 0 picks a free one",
    )
    http_origins: tuple[str, ...] = _setting(
        (),
        values.read_origins,
        "origins such as http://localhost:6274, separated by ','",
        "web pages that may call the MCP servers with a token; none by default",
    )
    http_rate: float = _setting(
        200.0,
        values.read_amount,
        "a number of requests a second",
        "most that one token's holder may make over HTTP for long, twice as many at once; 0: any number",
    )
    idle_seconds: float = _setting(
        900.0, float, "seconds", "a daemon without goals, shims or leases ends after this long"
    )
    database_url: str = _setting(
        "",
        str,
        "a SQLAlchemy URL",
        "goals database of this home alone; empty means a SQLite file below it",
    )
    ollama_url: str = _setting(
        "http://127.0.0.1:11434",
        str,
        "an http URL, or private",
        "the Ollama server to attach to; empty: none; private: one that ATOS starts and ends",
    )
    openai_url: str = _setting(
        "", str, "an http URL", "an OpenAI-compatible server to use, such as llama-server or vLLM"
    )
    openai_key_file: str = _setting(
        "",
        str,
        "a path, or keyring:SERVICE/NAME",
        "the key of that server: a file that is yours alone (0600), or an entry of the keyring",
    )
    github_token_file: str = _setting(
        "",
        str,
        "a path, or keyring:SERVICE/NAME",
        "the token that `deploy github` and `pages` push with: a file that is yours alone (0600), or the keyring",
    )
    github_url: str = _setting(
        "https://api.github.com",
        str,
        "an https URL",
        "GitHub's API, or that of an Enterprise server (https://HOST/api/v3)",
    )
    cloudflare_token_file: str = _setting(
        "",
        str,
        "a path, or keyring:SERVICE/NAME",
        "the token that `deploy cloudflare` uses: a file that is yours alone (0600), or the keyring; empty: a temporary account",
    )
    cloudflare_url: str = _setting(
        "", str, "an https URL", "Cloudflare's API, where it is another than wrangler knows"
    )
    wrangler: str = _setting(
        "wrangler", str, "a name or a path", "Cloudflare's program, which `deploy cloudflare` runs"
    )
    heroku_token_file: str = _setting(
        "",
        str,
        "a path, or keyring:SERVICE/NAME",
        "the token that `deploy heroku` uses: a file that is yours alone (0600), or the keyring",
    )
    heroku_url: str = _setting("https://api.heroku.com", str, "an https URL", "Heroku's API")
    gguf: tuple[Path, ...] = _setting(
        (),
        values.read_paths,
        "paths separated by ':'",
        "GGUF files, or folders of them, that may be loaded",
    )
    llama_server: str = _setting(
        "",
        str,
        "a path, a name, or none",
        "the llama-server that runs GGUF files; empty: the one on PATH where it sees the GPU",
    )
    model_sources: tuple[str, ...] = _setting(
        ("ollama", "huggingface", "mirror"),
        values.read_sources,
        f"some of {', '.join(values.MODEL_SOURCES)}",
        "where models are fetched from, first choice first",
    )
    model_mirror: str = _setting(
        "", str, "an http URL", "a folder of GGUF files under their makers' names; empty: none"
    )
    model_set: str = _setting(
        "default",
        values.read_model_set,
        " or ".join(values.MODEL_SETS),
        "which models the pools list; some of `seed` are not for commercial use",
    )
    budget: int = _setting(
        0,
        values.read_size,
        "bytes, or a size such as 6GiB",
        "most memory for models; 0 means measured",
    )
    goals_at_once: int = _setting(
        0,
        values.read_count,
        "a number of goals",
        "goals worked on at once, oldest first; 0: by the cores",
    )
    keep_days: float = _setting(
        90.0,
        values.read_amount,
        "a number of days",
        "records of goals that ended earlier are removed; 0: never by age",
    )
    keep_bytes: int = _setting(
        1 << 30,
        values.read_size,
        "bytes, or a size such as 1GiB",
        "most that records may take; the oldest ended goals are removed first; 0: no limit",
    )
    cpu_threads: int = _setting(
        0, int, "a number of threads", "threads of the embedded engine; 0 means the idle cores"
    )
    seed: int = _setting(
        0, int, "a number", "another one draws other samples of the models, goal by goal"
    )
    simulate: bool = _setting(
        False,
        values.read_flag,
        "true or false",
        "use the simulated engine and device instead of real ones",
    )
    log_level: str = _setting("INFO", str, "a logging level", "how much the daemons write to logs/")
    log_format: str = _setting(
        "text",
        values.read_log_format,
        " or ".join(values.LOG_FORMATS),
        "how the daemons write their logs; json: one object a line, for a collector",
    )
    metrics: bool = _setting(
        False,
        values.read_flag,
        "true or false",
        "answer /metrics, for Prometheus, on the port of the MCP servers",
    )
    trace_to: str = _setting(
        "",
        values.read_trace_place,
        "otlp:URL, langsmith[:PROJECT] or wandb[:online]",
        "where traces of goals go while they run; empty: nowhere",
    )
    trace_content: bool = _setting(
        False,
        values.read_flag,
        "true or false",
        "whether those traces carry the goal's words, titles and questions",
    )

    @property
    def bridge_names(self) -> tuple[str, ...]:
        """Names and address by which containers call; none where they may not."""
        return (self.bridge_address, *self.bridge_hosts) if self.bridge_address else ()

    @property
    def run(self) -> Path:
        """Sockets, locks and the token; mode 0700."""
        return self.home / "run"

    @property
    def state(self) -> Path:
        """What must survive a restart: the goals database."""
        return self.home / "state"

    @property
    def models(self) -> Path:
        """Model files that were fetched, and what is known of each."""
        return self.home / "models"

    @property
    def logs(self) -> Path:
        """One log file per daemon."""
        return self.home / "logs"

    @property
    def scheduler_socket(self) -> Path:
        """Unix socket of the scheduler: Ollama's HTTP API and `/atos/v1`."""
        return self.run / "scheduler.sock"

    @property
    def servers_socket(self) -> Path:
        """Unix socket of the server host: newline-delimited JSON-RPC behind one opening line."""
        return self.run / "servers.sock"

    @property
    def engine_sockets(self) -> Path:
        """Folder of the engine workers' own folders, whose sockets are no longer than the scheduler's."""
        return self.run / "e"

    @property
    def stay_file(self) -> Path:
        """Its presence keeps idle daemons up (`atos-client up --stay`)."""
        return self.home / "stay"

    @property
    def stays(self) -> bool:
        """Whether daemons stay up although nobody uses them."""
        return self.stay_file.exists()

    @property
    def token_file(self) -> Path:
        """Default bearer token of the HTTP routes; mode 0600."""
        return self.run / "token"

    @property
    def named_tokens_file(self) -> Path:
        """Hashes of the tokens that clients were given by name; mode 0600."""
        return self.home / "tokens.json"

    @property
    def urls(self) -> tuple[str, ...]:
        """What may hold a password."""
        return (
            self.database_url,
            self.ollama_url,
            self.openai_url,
            self.model_mirror,
            self.trace_to.partition(":")[2],
        )

    def prepare(self) -> None:
        """Make the directories; `run` is private and its socket paths must fit the kernel's limit.

        Raises:
            BadConfigError: the home can't be written, or is too deep for a Unix socket.
        """
        folders = (self.home, self.run, self.state, self.logs)
        prepare_home(folders, (self.scheduler_socket, self.servers_socket))


TUNABLE = {f"ATOS_{f.name.upper()}": f for f in fields(Settings) if "parse" in f.metadata}
"""Environment name -> dataclass field, for every setting a person may change."""


def load_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings of this process.

    Raises:
        BadConfigError: a value can't be read; the message names where it stands and what fits.
    """
    person = home_directory(environ)
    home = Path(environ.get("ATOS_HOME") or person / ".atos").expanduser().absolute()
    env_file = home / ".env"
    written = read_env_file(env_file, TUNABLE)

    def raw(name: str) -> tuple[str, str] | None:
        if name in environ:
            return environ[name], f"environment variable {name}"
        if name in written:
            value, line = written[name]
            return value, f"{env_file}, line {line}, {name}"
        return None

    values: dict[str, Any] = {}
    for name, setting in TUNABLE.items():
        if (found := raw(name)) is None:
            continue
        text, where = found
        try:
            values[setting.name] = setting.metadata["parse"](text)
        except (ValueError, KeyError) as error:
            message = f"{where}: {text[:80]!r} does not fit"
            step = f"It must be {setting.metadata['expects']}."
            raise BadConfigError(message, next_step=step) from error
    beside = home.parent / "atos" if "ATOS_HOME" not in environ else home / "goals"
    chosen = raw("ATOS_WORKSPACES")
    workspaces = Path(chosen[0]).expanduser().absolute() if chosen and chosen[0] else beside
    return Settings(home=home, workspaces=workspaces, **values)
