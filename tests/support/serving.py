"""A server that is a program of its own: on a free loopback port, waited for until it answers, ended in any case."""

import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, cast

START_TIMEOUT_S: Final = 300.0
STOP_TIMEOUT_S: Final = 60.0


def free_port() -> int:
    """Return a loopback port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = cast("Sequence[object]", listener.getsockname())
        return cast("int", address[1])


def wait_until_ready(
    process: "subprocess.Popen[bytes]", name: str, answers: Callable[[], bool], log: Callable[[], str]
) -> None:
    """Wait until a server answers; raises `RuntimeError`, with what it has logged, when it does not."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        if process.poll() is not None:
            raise RuntimeError(f"{name} ended with status {process.returncode} at its start:\n{log()}")
        if answers():
            return
        if time.monotonic() > deadline:
            raise RuntimeError(f"{name} did not answer within {START_TIMEOUT_S:.0f} s:\n{log()}")
        threading.Event().wait(0.02)


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End a server, by force if it does not end by itself."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
