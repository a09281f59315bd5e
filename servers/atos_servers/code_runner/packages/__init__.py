"""Packages for sandboxed code: installed from wheels only, cached, mounted read-only."""
