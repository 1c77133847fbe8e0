"""confluent-kafka's admin classes, untyped: its types are incomplete, and lack names that its documentation has."""

from __future__ import annotations

from typing import Any

import confluent_kafka.admin

admin: Any = confluent_kafka.admin
