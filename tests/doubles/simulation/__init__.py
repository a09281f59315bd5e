"""A machine in memory on which the orchestrator's own code runs in virtual time, and is disturbed by the seed.

    story       what is asked for, and which faults strike when: made from a number, and shrunk
    virtual_time, chance   the clock and every duration, from the same number
    library     what the durable runtime's library promises: runs, steps, queues, fencing
    tables      the database: runs and events
    places      the repositories
    machine     processes that are killed and started, and the seams at which the code meets all this
    work        planner, tasks, models
    invariants  what must be true at every moment, and at the end

Workflows, steps, event writer, reconciler, resumption, limits, queue order, folds and error classes are the real ones.
"""
