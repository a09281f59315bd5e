"""Where a release can be deployed to; see `target.Target`."""
