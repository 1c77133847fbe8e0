"""What the machine itself can do, measured in the same run: the disk's sequential write and fsync, loopback."""

from __future__ import annotations

import os
import platform
import socket
import threading
import time
from pathlib import Path

_BLOCK = 1 << 20


def facts(folder: Path) -> dict[str, str]:
    """Figures and names, for the head of a report."""
    return {
        "processor": processor(),
        "cores": str(os.cpu_count()),
        "python": platform.python_version(),
        "kernel": platform.release(),
        "disk, sequential write and fsync": f"{disk_write(folder):.0f} MB/s",
        "disk, fsync of 4 KB": f"{disk_fsync(folder):.2f} ms (median)",
        "loopback": f"{loopback():.0f} MB/s",
        "load before": f"{os.getloadavg()[0]:.2f}",
    }


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def disk_write(folder: Path, megabytes: int = 512) -> float:
    block = os.urandom(_BLOCK)
    path = folder / "probe"
    began = time.perf_counter()
    with path.open("wb", buffering=0) as file:
        for _ in range(megabytes):
            file.write(block)
        os.fsync(file.fileno())
    took = time.perf_counter() - began
    path.unlink()
    return megabytes * _BLOCK / 1e6 / took


def disk_fsync(folder: Path, count: int = 100) -> float:
    path = folder / "probe"
    times = []
    with path.open("wb", buffering=0) as file:
        for _ in range(count):
            file.write(b"x" * 4096)
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    path.unlink()
    return sorted(times)[count // 2] * 1000


def loopback(megabytes: int = 1000) -> float:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def send() -> None:
            with socket.create_connection(server.getsockname()) as out:
                block = bytes(_BLOCK)
                for _ in range(megabytes):
                    out.sendall(block)

        thread = threading.Thread(target=send)
        thread.start()
        connection, _ = server.accept()
        buffer = bytearray(_BLOCK)
        began = time.perf_counter()
        size = 0
        while got := connection.recv_into(buffer):
            size += got
        took = time.perf_counter() - began
        connection.close()
        thread.join()
    return size / 1e6 / took
