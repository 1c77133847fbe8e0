"""Tests of the wire room: conformance with other people's schemas, differential encoding, malformed and golden frames."""
