"""Opens a GGUF in this process, for evaluation and tests; daemons go through the scheduler instead."""
# pyright: basic, reportAttributeAccessIssue=false
# (xllamacpp is a compiled module without type stubs)

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import xllamacpp

from atos_orchestrator.strategies.mini import dialect

_TOKENS = max(dialect.CODE_TOKENS, dialect.PLAN_TOKENS)


@contextmanager
def open_model(path: Path) -> Iterator[Callable[[str], str]]:
    """Load a model and give a function from prompt to greedy reply; the model is gone at the end."""
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(path)
    parameters.n_ctx = dialect.CONTEXT_TOKENS
    parameters.n_parallel = 1
    parameters.cpuparams.n_threads = 1
    parameters.warmup = False
    parameters.cache_ram_mib = 0
    parameters.use_jinja = False
    parameters.verbosity = 0
    server = xllamacpp.Server(parameters)

    def ask(prompt: str) -> str:
        request = {"messages": dialect.chat(prompt), "temperature": 0, "max_tokens": _TOKENS}
        return server.handle_chat_completions(request)["choices"][0]["message"]["content"] or ""

    yield ask
