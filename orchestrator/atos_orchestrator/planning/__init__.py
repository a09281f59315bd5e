"""A goal becomes a repaired, classified DAG of tasks."""

from atos_orchestrator.planning.graph import STEPS, plan

__all__ = ["STEPS", "plan"]
