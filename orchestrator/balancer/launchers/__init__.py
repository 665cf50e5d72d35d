"""How a lease becomes a worker: the port `Launcher`, one adapter per module."""
