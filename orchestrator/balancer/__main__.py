"""`python -m orchestrator.balancer`, as the balancer is started in the background."""

from orchestrator.balancer.cli import main

main()
