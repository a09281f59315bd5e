"""What the parts of ATOS agree on: errors, settings, states and messages. Standard library only."""
