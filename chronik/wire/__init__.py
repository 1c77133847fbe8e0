"""Bytes to messages and back: Kafka's protocol, and nothing else.

A message is declared once for all its versions (``messages/``), in the terms of ``schema``. When a version is first
met, ``decoding`` or ``encoding`` writes one flat function for it and ``compile`` compiles that. ``apis`` is the table
of what is declared, and ``header`` the way in and out: a frame to header and message, a message to a frame's buffers.
"""
