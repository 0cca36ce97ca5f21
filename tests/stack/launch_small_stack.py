"""A launcher with two small web servers, run as its own process by test_launcher.py."""

import socket
import sys
import threading
from pathlib import Path

from specter_stack.launcher import Stopped, running_stack, stop_on_signals
from specter_stack.layout import Layout
from specter_stack.service import Service


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def web_server(name: str) -> Service:
    port = free_port()
    command = (
        sys.executable,
        "-m",
        "http.server",
        str(port),
        "--bind",
        "127.0.0.1",
        "--directory",
        "/proc/self",
    )
    return Service(name, command, ready=f"http://127.0.0.1:{port}/", url=f"http://127.0.0.1:{port}")


def main() -> None:
    layout = Layout(Path(sys.argv[1]))
    silent = Service("silent", ("sleep", "600"), ready="tcp://127.0.0.1:1")
    services = (web_server("one"), web_server("two"), *([silent] if "never-ready" in sys.argv else []))
    try:
        with (
            stop_on_signals(),
            running_stack(layout, lambda: services, lambda text: print("SAID", text)) as stack,
        ):
            stack.start(*stack.services)
            print("READY", flush=True)
            threading.Event().wait()
    except Stopped:
        print("STOPPED", flush=True)


if __name__ == "__main__":
    main()
