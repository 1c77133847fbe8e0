"""Where `tools/clients/install.sh` put the clients, and which of them are there."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
CLIENTS = REPOSITORY / ".clients"
PROGRAMS = Path(__file__).resolve().parent / "programs"
KAFKA_LIBS = CLIENTS / "kafka-4.2"


def missing(name: str) -> str | None:
    """Why the client of that name cannot be run here; None when it can."""
    match name:
        case "kcat":
            return None if shutil.which("kcat") else "kcat is not installed (make clients)"
        case "kafkajs":
            return _needs("node", CLIENTS / "kafkajs" / "node_modules" / "kafkajs")
        case "java":
            return _needs("java", CLIENTS / "java" / "Client.class")
        case "kafka-cli":
            return _needs("java", CLIENTS / "kafka-4.2.stamp")
        case "franz-go" | "sarama":
            return _needs(None, CLIENTS / "bin" / name)
        case "kafka-python-2.0.2":
            return _needs(None, CLIENTS / "kafka-python-2.0.2.stamp")
        case _:
            return None  # the Python clients are development dependencies: always there


def required(name: str) -> bool:
    """Whether a missing client is a failure: CHRONIK_REQUIRE_CLIENTS is "all" or names separated by commas."""
    names = os.environ.get("CHRONIK_REQUIRE_CLIENTS", "").split(",")
    return "all" in names or name in names


def _needs(command: str | None, path: Path) -> str | None:
    if command and not shutil.which(command):
        return f"{command} is not installed"
    return None if path.exists() else f"{path.relative_to(REPOSITORY)} is missing (make clients)"
