"""Durable goal and task workflows behind the DurableRuntime port."""
