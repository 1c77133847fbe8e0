"""Asks Apache Kafka and chronik the same, and compares their replies field by field.

    python -m tools.differ [--record] [--api NAME ...] [--random N] [--seed S] ...

`codec` is kio's; `scenarios/`, `sessions` of real clients and the `random_world` say what is asked, `runner` asks it,
`masks` declares what may differ, `known` what differs for a reason that docs/differences.md gives, and `report` prints
the rest.
"""
