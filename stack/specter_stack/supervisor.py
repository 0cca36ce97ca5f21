"""Run the servers under supervisord, which restarts a child that dies.

supervisord is driven over its XML-RPC interface on a Unix socket that only the
launcher's user can open (http://supervisord.org/api.html).
"""

import configparser
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy

from specter_core.clock import Clock, SystemClock
from specter_stack.errors import StackError
from specter_stack.layout import Layout
from specter_stack.orphans import MARKER, end_processes, find_orphans
from specter_stack.service import Service
from specter_stack.signals import held_signals

STARTUP_SECONDS = 20.0
SHUTDOWN_SECONDS = 40.0
LOG_BYTES = "10MB"
# The shell writes its own pid and then becomes the server, so the file is right after every restart,
# also when supervisord itself is gone.
PID_WRAPPER = 'echo $$ > "$0" && exec "$@"'


def pid_file(layout: Layout, service: Service) -> Path:
    """Return where the process id of `service` is found."""
    return Path(service.own_pid_file) if service.own_pid_file else layout.pids / f"{service.name}.pid"


def render_config(layout: Layout, services: Iterable[Service]) -> str:
    """Return supervisord's configuration for `services`, which are stopped in reverse order.

    None of them starts by itself.
    """
    config = configparser.RawConfigParser()
    config["unix_http_server"] = {"file": str(layout.supervisor_socket), "chmod": "0700"}
    config["supervisord"] = {
        "nodaemon": "true",
        "logfile": str(layout.logs / "supervisord.log"),
        "logfile_maxbytes": LOG_BYTES,
        "pidfile": str(layout.pids / "supervisord.pid"),
        "childlogdir": str(layout.logs),
        **({"user": "root"} if os.geteuid() == 0 else {}),
    }
    config["rpcinterface:supervisor"] = {
        "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
    }
    for number, service in enumerate(services):
        config[f"program:{service.name}"] = _program(layout, service, priority=number)
    text = StringIO()
    text.write("# DO NOT EDIT: written by the launcher at every start.\n")
    # A literal % would be read as an expansion of supervisord's.
    for section in config.values():
        for key, value in section.items():
            section[key] = value.replace("%", "%%")
    config.write(text)
    return text.getvalue()


def _program(layout: Layout, service: Service, priority: int) -> dict[str, str]:
    command: tuple[str, ...] = service.command
    if service.environment:
        # supervisord's own `environment=` has no way to write a quote into a value.
        command = (
            "/usr/bin/env",
            *(f"{key}={value}" for key, value in service.environment.items()),
            *command,
        )
    if service.own_pid_file is None:
        command = ("/bin/sh", "-c", PID_WRAPPER, str(pid_file(layout, service)), *command)
    return {
        "command": _command_line(service.name, command),
        # They are stopped highest first: what comes later in the list may need what comes before it.
        "priority": str(priority),
        "autostart": "false",
        "autorestart": "true",
        "startsecs": "1",
        "startretries": "10",
        "stopsignal": service.stop_signal,
        "stopwaitsecs": "10",
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": str(layout.logs / f"{service.name}.log"),
        "stdout_logfile_maxbytes": LOG_BYTES,
        "stdout_logfile_backups": "1",
        # The account may not be allowed to look into the launcher's working directory.
        **({"user": service.user, "directory": "/"} if service.user else {}),
    }


def _command_line(name: str, command: tuple[str, ...]) -> str:
    line = shlex.join(command)
    if "\n" in line or "\r" in line:
        raise StackError(f"{name}: supervisord takes no line break in a command or variable: {line!r}")
    # A blank before # or ; starts a comment and %(here)s is replaced, both also inside quotes. shlex quotes
    # whatever holds one of these, so closing and opening the quotes inside the pair changes nothing else.
    return re.sub(r"(\s)([#;])|(%)(\()", r"\1\3''\2\4", line)


class Supervisor:
    """A supervisord process and the programs under it.

    Started in a session of its own: a Ctrl-C in the terminal reaches the
    launcher alone, which then stops the programs in order.
    """

    def __init__(self, layout: Layout, services: Iterable[Service], clock: Clock | None = None) -> None:
        self._layout = layout
        self._services = {service.name: service for service in services}
        self._clock = clock or SystemClock()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start supervisord and wait until it answers.

        Raises:
            StackError: it did not come up; the message quotes its output.
        """
        self._layout.supervisor_config.touch(mode=0o600)
        self._layout.supervisor_config.write_text(
            render_config(self._layout, self._services.values()), encoding="utf-8"
        )
        self._layout.supervisor_socket.unlink(missing_ok=True)
        output = self._layout.logs / "supervisord.out"
        # A signal between the start and the assignment would leave a supervisord that nobody ends.
        with output.open("wb") as log, held_signals():
            self._process = subprocess.Popen(
                [sys.executable, "-m", "supervisor.supervisord", "-c", str(self._layout.supervisor_config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, MARKER: str(self._layout.state)},
                start_new_session=True,
            )
        deadline = self._clock.monotonic() + STARTUP_SECONDS
        while not self._answers():
            if self._process.poll() is not None or self._clock.monotonic() > deadline:
                tail = output.read_text(errors="replace")[-2000:]
                raise StackError(f"supervisord did not start; {output} says:\n{tail}")
            self._clock.sleep(0.05)

    def start_programs(self, names: Iterable[str]) -> None:
        """Start the programs called `names` without waiting for them to be ready."""
        for name in names:
            self._call("startProcess", name, False)

    def stop_programs(self, names: Iterable[str]) -> None:
        """Stop the programs called `names` and wait until each has ended."""
        for name in names:
            with suppress(_NotRunningError):
                self._call("stopProcess", name, True)

    def states(self) -> dict[str, str]:
        """Return each program's state: STOPPED, STARTING, RUNNING, BACKOFF, EXITED or FATAL."""
        return {info["name"]: info["statename"] for info in self._call("getAllProcessInfo")}

    def pid(self, name: str) -> int:
        """Return the process id of the program called `name`, 0 when it does not run."""
        return int(self._call("getProcessInfo", name)["pid"])

    def stop(self) -> None:
        """Stop every program, then supervisord; kill what does not end in time."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=SHUTDOWN_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        # supervisord killed from outside cannot stop its children: their pid files can.
        files = [pid_file(self._layout, service) for service in self._services.values()]
        end_processes(find_orphans(self._layout.state, files))
        self._layout.supervisor_socket.unlink(missing_ok=True)
        self._process = None

    @property
    def alive(self) -> bool:
        """Whether supervisord itself runs."""
        return self._process is not None and self._process.poll() is None

    def _answers(self) -> bool:
        try:
            self._call("getState")
        except StackError:
            return False
        return True

    def _call(self, method: str, *arguments: object) -> Any:
        from supervisor.xmlrpc import SupervisorTransport  # noqa: PLC0415  (not for --help)

        transport = SupervisorTransport(None, None, f"unix://{self._layout.supervisor_socket}")
        proxy = ServerProxy("http://localhost", transport=transport)
        try:
            return getattr(proxy.supervisor, method)(*arguments)
        except Fault as fault:
            if fault.faultString.startswith("NOT_RUNNING"):
                raise _NotRunningError(fault.faultString) from fault
            raise StackError(f"supervisord refused {method}{arguments}: {fault.faultString}") from fault
        except OSError as error:
            socket = self._layout.supervisor_socket
            raise StackError(f"supervisord does not answer on {socket}: {error}") from error
        finally:
            transport.close()


class _NotRunningError(StackError):
    """A program was to be stopped that does not run."""
