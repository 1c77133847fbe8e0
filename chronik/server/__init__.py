"""Sockets: listeners, connections, and the life of a broker process. Bytes come in here, and leave as frames."""
