"""The unit of memory, where bytes come in and MiB go out; imported by everybody, and imports nothing."""

MIB = 2**20
"""Bytes."""
