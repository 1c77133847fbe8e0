"""Tests of the wire room: conformance, differential encoding, malformed frames, golden frames."""
