"""The scenarios that were written by hand, one file for each group of APIs."""

from __future__ import annotations

from tools.differ.scenarios import acls, configs, fetch, groups, log, metadata, offsets, produce, topics, transactions
from tools.differ.script import scenarios

__all__ = [
    "acls",
    "configs",
    "fetch",
    "groups",
    "log",
    "metadata",
    "offsets",
    "produce",
    "scenarios",
    "topics",
    "transactions",
]
