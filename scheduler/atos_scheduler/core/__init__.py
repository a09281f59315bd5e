"""The pure scheduler core: events in, effects out.

`machine.Core` is the state machine; `memory`, `queue` and `policy` are its parts; `events`, `effects`
and `types` what goes in and comes out; `estimate` what a model will need.
"""
