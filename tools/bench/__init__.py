"""Benchmarks: brokers side by side on the same work. See `python -m tools.bench --help`."""
