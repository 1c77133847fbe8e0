"""The tests: one folder a room, and `clients/` with real clients on a real port."""
