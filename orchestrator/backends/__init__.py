"""Who answers a command: this process over Redis, or an API elsewhere; `port.py` says what can be asked."""
