"""Tests of the configs; `kafka42` is what Apache Kafka 4.2 said."""
