"""Tests of the batch room: formats against other implementations, against Kafka's own bytes, and against garbage."""
