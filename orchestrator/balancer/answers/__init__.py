"""What the `balancer` command tells and shows: the last snapshot, why a run waits, which devices are closed."""
