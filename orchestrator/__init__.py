"""The control plane: search space → grid → ledger, the balancer, reports and the `orchestrator` command.

Nothing below this package imports TensorFlow, Keras or MLflow, so every command answers at once.
"""
