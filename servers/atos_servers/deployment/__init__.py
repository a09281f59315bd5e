"""Deploys a release and proves that it answers: plan, approve, apply, verify, roll back. See `docs/deployment.md`."""
