"""What the command line says of itself: pages that can't drift, versions, wrong words, settings, completion."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from inline_snapshot import snapshot

from atos.cli.action_commands import with_default
from atos.cli.command_parser import FIRST_STEP, NAMES
from atos.cli.commands import parser
from atos.cli.describing import completion_script, help_page, origins, subcommands
from atos.cli.main import main
from atos.cli.progress import shown_tasks
from atos.cli.version import installed_version
from atos_protocol.settings import load_settings
from atos_protocol.versions import installed

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("ATOS_HOME", str(tmp_path))
    return tmp_path


def test_the_page_of_commands_is_what_help_prints() -> None:
    page = (DOCS / "commands.md").read_text(encoding="utf-8")
    assert page == help_page(parser()), "python -m atos.cli.pages docs/commands.md"


def test_no_line_of_help_is_wider_than_eighty_columns() -> None:
    lines = help_page(parser()).splitlines()[4:]
    assert [line for line in lines if len(line) > 80] == []


def test_every_command_stands_in_one_group_of_the_help() -> None:
    assert sorted(NAMES) == sorted(subcommands(parser()))


def test_without_a_command_the_help_says_how_to_begin(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert FIRST_STEP in capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_a_command_described_alone_has_the_help_that_it_has_among_all(name: str) -> None:
    alone, among = parser(name), parser()
    assert list(alone.choices) == [name]
    assert alone.choices[name].format_help() == among.choices[name].format_help()


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["models"], ["models", "list"]),
        (["scheduler", "--json"], ["scheduler", "decisions", "--json"]),
        (["models", "pull"], ["models", "pull"]),
        (["n8n"], ["n8n"]),
        (["status", "--json"], ["status", "--json"]),
    ],
)
def test_an_action_that_only_looks_may_be_left_out(words: list[str], meant: list[str]) -> None:
    assert with_default(words) == meant


def test_a_missing_argument_is_told_with_the_page_to_read(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["build"])
    assert capsys.readouterr().err.splitlines()[-2:] == [
        "atos-client build: the following arguments are required: GOAL",
        "  → atos-client build --help",
    ]


def test_every_command_can_answer_in_json() -> None:
    commands = subcommands(parser())
    leaves = [leaf for one in commands.values() for leaf in subcommands(one).values() or [one]]
    assert [leaf.prog for leaf in leaves if "--json" not in leaf.format_help()] == []


def test_the_version_is_the_installed_one_and_needs_no_parser() -> None:
    loaded = "import sys; from atos.cli.main import main; main(['--version']); print(sorted({'argparse', 'json', 'dataclasses', 'atos_protocol.settings'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", loaded], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [f"atos-client {installed()}", "[]"]
    assert installed_version() == installed()


def test_status_imports_nothing_that_it_need_not_wait_for() -> None:
    slow = {
        "asyncio",
        "email",
        "http",
        "importlib.metadata",
        "random",
        "shlex",
        "shutil",
        "subprocess",
        "tempfile",
        "textwrap",
    }
    code = f"import sys; from atos.cli.main import main; main(['status']); print(sorted({slow} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-2:] == ["scheduler  down", "[]"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["biuld", "x"], "atos-client: 'biuld' is no command\n  → did you mean build?\n"),
        (
            ["Write", "a", "function"],
            "atos-client: a goal needs its command\n  → atos-client build 'Write a function'\n",
        ),
        (
            ["Write it; rm -rf ~"],
            "atos-client: a goal needs its command\n  → atos-client build 'Write it; rm -rf ~'\n",
        ),
        (
            ["zzzz"],
            "atos-client: 'zzzz' is no command\n  → `atos-client --help` lists them.\n",
        ),
    ],
)
def test_a_wrong_first_word_is_answered_with_what_was_meant(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert capsys.readouterr().err == told


def test_a_goal_may_be_written_without_quotes() -> None:
    arguments = parser().parse_args(["build", "Write", "a", "function", "--detach"])
    assert (arguments.goal, arguments.detach) == (["Write", "a", "function"], True)


def test_settings_tell_their_origin_and_hide_passwords(home: Path) -> None:
    text = "ATOS_HTTP_PORT=9000\nATOS_OPENAI_URL=http://me:secret@127.0.0.1:1/v1\n"
    (home / ".env").write_text(text, encoding="utf-8")
    environ = {"ATOS_HOME": str(home), "ATOS_IDLE_SECONDS": "60"}
    found = {
        name: (value, origin) for name, value, origin in origins(load_settings(environ), environ)
    }
    wanted = (
        "ATOS_HOME",
        "ATOS_HTTP_PORT",
        "ATOS_IDLE_SECONDS",
        "ATOS_OPENAI_URL",
        "ATOS_OLLAMA_URL",
    )
    assert {name: found[name] for name in wanted} == {
        "ATOS_HOME": (str(home), "environment variable"),
        "ATOS_HTTP_PORT": ("9000", f"{home / '.env'}, line 1"),
        "ATOS_IDLE_SECONDS": ("60.0", "environment variable"),
        "ATOS_OPENAI_URL": ("http://(hidden)@127.0.0.1:1/v1", f"{home / '.env'}, line 2"),
        "ATOS_OLLAMA_URL": ("http://127.0.0.1:11434", "default"),
    }


def test_config_prints_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ATOS_HTTP_PORT"] == {
        "value": "8756",
        "from": "default",
    }


def test_the_completion_completes_commands_and_options() -> None:
    script = completion_script("bash", subcommands(parser()))
    ask = 'COMP_WORDS=({0}); COMP_CWORD={1}; _atos_client; echo "${{COMPREPLY[@]}}"'
    found = [
        subprocess.run(
            ["bash", "-c", f"{script}\n{ask.format(words, at)}"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for words, at in (
            ("atos-client bu", 1),
            ("atos-client models p", 2),
            ("atos-client clean --o", 2),
        )
    ]
    assert found == ["build", "pull", "--older-than"]


def test_tasks_that_do_not_fit_are_counted_and_what_runs_is_shown() -> None:
    states = ["done"] * 12 + ["running"] * 2 + ["failed"] + ["pending"] * 15
    tasks = [
        {"id": f"T{n}", "title": f"Part {n}", "complexity": "simple", "state": state}
        for n, state in enumerate(states, 1)
    ]
    tasks[20]["question"] = {"text": "1 or 2?"}  # pyright: ignore[reportArgumentType]
    lines = shown_tasks(tasks, 6)
    assert [line.split()[1] for line in lines] == snapshot(
        ["T13", "T14", "T15", "T16", "T21", "and"]
    )
    assert lines[-1] == snapshot("  … and 25 more: 13 pending, 12 done")
    assert len(shown_tasks(tasks, 30)) == 30
    assert len(shown_tasks(tasks, 0)) == 1
