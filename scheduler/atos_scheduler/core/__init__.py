"""The pure scheduler core: events in, effects out.

See design.md. `Core` in `state_machine` is what the shell drives; `events` and `effects` are its
interface, `transitions` its states, `admission` and `policy` its decisions.
"""
