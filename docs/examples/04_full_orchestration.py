"""The whole way: a goal, its plan, tasks side by side, verified, deployed on this machine, and called there.

.venv/bin/python docs/examples/04_full_orchestration.py
"""

import sys
import urllib.request
from collections import Counter

from atos import Atos

GOAL = "Build a text toolkit: count words, reverse a string, check palindromes"


def main() -> int:
    """Build and deploy it, say what happened, fetch its page, take it down."""
    with Atos.connect() as atos:
        goal = atos.start_goal(GOAL, deploy="local")
        kinds: Counter[str] = Counter()
        for event in goal.events():
            kinds[event.kind] += 1
            if event.kind == "plan_ready":
                for task in event.data["tasks"]:
                    print(f"planned: {task['title']}")
        result = goal.result()
        print(f"{result.state}: {kinds['task_done']} tasks, {result.failed} tests failed")
        if result.state != "success":
            return 1
        (deployed,) = [
            each
            for each in atos.workflow.list_deployments().data["deployments"]
            if each["url"] == goal.status().deployment_url
        ]
        with urllib.request.urlopen(deployed["url"], timeout=20) as page:
            print(f"deployed: {deployed['state']}, its page answers {page.status}")
        atos.workflow.stop_deployment(name=deployed["name"])
        return 0


if __name__ == "__main__":
    sys.exit(main())
