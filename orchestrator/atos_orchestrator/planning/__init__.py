"""A goal becomes a repaired, classified DAG of tasks."""

from atos_orchestrator.planning.graph import STEPS, PlanRejectedError, plan

__all__ = ["STEPS", "PlanRejectedError", "plan"]
