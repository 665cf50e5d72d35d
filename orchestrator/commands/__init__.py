"""What the `orchestrator` command does and shows; `orchestrator.cli` calls these."""
