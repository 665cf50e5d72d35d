"""A whole balancer under faults: the real daemon, Redis, probe and launcher, over drivers and workers that fail."""
