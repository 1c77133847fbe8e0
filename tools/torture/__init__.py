"""Crash torture: real producers under load while the broker is killed again and again, then a full accounting."""
