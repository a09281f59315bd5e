"""What the daemons share: how one starts, serves, and ends. Nobody else needs it."""
