"""The balancer: observe, decide, act, once per tick or event.

It keeps nothing of its own: leases, runs and reports are in Redis, workers are found again by their command lines or
labels, and memory is read from the devices. It may die at any line; running runs go on, and the next one picks up.

    readings.py, probes/         what the devices say: a port, and who fulfils it
    accounting.py, foreign.py    whose memory is whose
    observer.py                  all that a decision may look at, put together
    decision/                    what to do next; pure
    daemon.py                    the loop, which does it
    launchers/                   leases become workers: a port, and who fulfils it
    leases.py, closures.py       workers with their leases, and closed devices, in Redis
    reports.py, departures.py    what workers said, and those that are gone, applied to the ledger
    experience.py                what runs have taught of memory and pace
    settlement.py                what MLflow must show for it
    answers/                     what the `balancer` command tells
    simulator/                   the same decisions on a virtual clock
    service.py                   puts the real parts together
"""
