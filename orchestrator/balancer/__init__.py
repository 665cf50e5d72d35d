"""The balancer: observe, decide, act, once per tick or event.

It keeps nothing of its own: leases, runs and reports are in Redis, workers are found again by their command lines,
and memory is read from the machine. It may die at any line; running runs go on, and the next one picks up.

    devices.py, launchers/   the outside world, behind two ports
    leases.py                workers and their leases, in Redis
    observation.py           what a decision may look at
    policy.py                decide(observation) → actions; pure
    reports.py               what workers said, applied to the ledger
    settlement.py            what MLflow must show for it
    daemon.py                the loop
"""
