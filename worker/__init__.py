"""What runs inside a worker: it takes runs from RQ one at a time, trains them, checkpoints and reports.

`worker.spec` is the porch: the order form that the orchestrator fills in. A worker never writes to the
ledger; what it has to say goes to its own report stream.
"""
