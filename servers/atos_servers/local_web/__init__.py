"""Serves one deployed release on loopback; whatever of it runs, runs in the sandbox. See `docs/deployment.md`."""
