"""A RabbitMQ node of the tests' own: it may be stopped, killed and starved, and asked what its operator would ask."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import amqp

#: The scripts that run as whoever calls them; those on the PATH may change to the user of the machine's own node.
SCRIPTS = Path("/usr/lib/rabbitmq/bin")


def script(name: str) -> str | None:
    """The path of a script of RabbitMQ, or None where there is none."""
    inside = SCRIPTS / name
    return str(inside) if inside.exists() else shutil.which(name)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Node:
    """One node with its own name, ports, cookie and folder; ``start`` after ``kill`` finds the data again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}//"
        self._server: subprocess.Popen[bytes] | None = None
        (folder / "home").mkdir(parents=True)
        for name in ("rabbitmq.conf", "plugins"):
            (folder / name).write_text("[]." if name == "plugins" else "")
        (folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.local = 127.0.0.1:{self.port}\nvm_memory_high_watermark.absolute = 4GB\n"
            "disk_free_limit.absolute = 10MB\n"
        )
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder / "home"),
            "RABBITMQ_NODENAME": f"limits{os.getpid()}x{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "LANG": "C.UTF-8",
        }

    def start(self, seconds: float = 90.0) -> None:
        """Starts it, and returns when it lets a client in."""
        command = script("rabbitmq-server")
        assert command
        with (self.folder / "said").open("ab") as said:
            self._server = subprocess.Popen(
                [command], env=self._environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                start_new_session=True,
            )  # fmt: skip
        until = time.monotonic() + seconds
        while not self._lets_in():
            assert self._server.poll() is None, (self.folder / "said").read_text()
            assert time.monotonic() < until, (self.folder / "said").read_text()
            time.sleep(0.2)

    def _lets_in(self) -> bool:
        try:
            with amqp.Connection(f"127.0.0.1:{self.port}", "guest", "guest", connect_timeout=2) as conn:
                conn.connect()
                return True
        except (OSError, amqp.exceptions.AMQPError):
            return False

    def kill(self) -> None:
        """kill -9 of the node and what it started; its data stay."""
        if self._server is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._server.pid, signal.SIGKILL)
            self._server.wait()
            self._server = None

    def ctl(self, *words: str) -> Any:
        """What ``rabbitmqctl`` says: rows as dicts for a listing, else its text."""
        command = script("rabbitmqctl")
        assert command
        listing = words[0].startswith("list_")
        extra = ["--formatter=json"] if listing else []
        done = subprocess.run(
            [command, "--quiet", *extra, *words],
            check=False,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout or "[]") if listing else done.stdout
