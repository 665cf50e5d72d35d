"""`python -m model`: the `model` command."""

from __future__ import annotations

from model.cli import main

if __name__ == "__main__":
    main()
