"""Commands that are clients: they talk to any Kafka-compatible broker with kafka-python, which is imported only by the
command that runs.

Exit codes of all of them: 0 it was done; 1 it could not be done, or something is not there or not well; 2 the command
line makes no sense; 3 no broker answers; 130 Ctrl-C.
"""
