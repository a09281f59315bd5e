"""What the daemons share: how one starts, reads its settings, serves, and ends. Nobody else needs it."""
