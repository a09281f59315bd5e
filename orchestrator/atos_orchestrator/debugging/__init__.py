"""One task: code, syntax, test, reflect, fix."""

from atos_orchestrator.debugging.graph import STEPS, debug_task
from atos_orchestrator.debugging.result import TaskResult, result_from_json, result_to_json

__all__ = ["STEPS", "TaskResult", "debug_task", "result_from_json", "result_to_json"]
