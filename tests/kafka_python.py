"""kafka-python, imported where it may read its schemas by a function of importlib.resources that is deprecated."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import kafka
    import kafka.admin
    import kafka.errors
    import kafka.record.memory_records

__all__ = ["kafka"]
