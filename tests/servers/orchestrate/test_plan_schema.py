"""What hosts are told about plans is what is read from them."""

import json
from pathlib import Path

from jsonschema import validate

from atos_orchestrator.planning.repair import repair
from atos_servers.orchestrate.plan_schema import PLAN_SCHEMA, TASK_SCHEMA

ROOT = Path(__file__).parents[3]

FIRST = {"id": "base", "title": "Write base.py", "files": ["base.py"]}
FULL = {
    "id": "page",
    "title": "Write page.py",
    "files": ["page.py"],
    "contract": "title(html) returns the title.",
    "signatures": ["title(html)"],
    "examples": ["title('<h1>a</h1>') == 'a'"],
    "tests": "from page import title\n\n\ndef test_title():\n    assert title('') == ''\n",
    "depends_on": ["base"],
    "packages": ["lxml"],
}


def test_each_field_that_is_described_reaches_the_task() -> None:
    assert set(FULL) == set(TASK_SCHEMA["properties"])

    made = repair({"tasks": [FIRST, FULL]}, trusted=True)
    task = made.plan.tasks[1]

    assert made.faults == ()
    assert (task.title, task.files, task.depends_on) == ("Write page.py", ("page.py",), ("T1",))
    assert (task.contract, task.signatures) == (FULL["contract"], ("title(html)",))
    assert (task.examples, task.packages) == (("assert title('<h1>a</h1>') == 'a'",), ("lxml",))
    assert task.tests == FULL["tests"]


def test_the_plan_that_the_documents_show_is_written_as_hosts_are_told() -> None:
    plan = json.loads((ROOT / "docs/examples/price_tracker_plan.json").read_text())

    validate(plan, PLAN_SCHEMA)

    fields = {field for task in plan["tasks"] for field in task}
    assert fields <= set(TASK_SCHEMA["properties"])
    assert all(len(task["contract"]) <= 700 for task in plan["tasks"])
