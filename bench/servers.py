"""Servers of a measurement's own, on free ports, and commands that have to succeed."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INSTALLED = ROOT / "target" / "bench"


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def perform(command, **how):
    ended = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, text=True, **how)
    if ended.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} ended with {ended.returncode}")
    return ended.stdout


def virtual_environment(name, requirements):
    """The Python of an environment with these packages, under target/bench."""
    python = INSTALLED / name / "bin" / "python"
    if not python.exists():
        INSTALLED.mkdir(parents=True, exist_ok=True)
        perform([sys.executable, "-m", "venv", INSTALLED / name])
    perform([python, "-m", "pip", "install", "--quiet", "-r", requirements])
    return python


class Postgres:
    """A PostgreSQL that flushes to disk whatever it has promised."""

    def __init__(self, scratch):
        self.scratch = scratch
        self.port = free_port()
        self.bin = self.find()
        self.account = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        self.data = scratch / "postgres"
        self.data.mkdir()
        if self.account:
            owner = pwd.getpwnam("postgres")
            os.chown(self.data, owner.pw_uid, owner.pw_gid)
            scratch.chmod(0o755)
        self.as_server([self.bin / "initdb", "-D", self.data, "-U", "app", "-A", "trust", "--locale=C", "-E", "UTF8"])
        settings = {
            "port": self.port,
            "listen_addresses": "'127.0.0.1'",
            "unix_socket_directories": f"'{self.data}'",
            "fsync": "on",
            "synchronous_commit": "on",
            "full_page_writes": "on",
            "shared_buffers": "512MB",
            "max_wal_size": "8GB",
            "checkpoint_timeout": "15min",
            "max_connections": 200,
        }
        with open(self.data / "postgresql.conf", "a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in settings.items())
        self.as_server([self.bin / "pg_ctl", "-D", self.data, "-l", self.data / "log", "-w", "start"])

    @staticmethod
    def find():
        found = shutil.which("initdb")
        if found:
            return Path(found).resolve().parent
        folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
        return folders[-1] if folders else sys.exit("there is no PostgreSQL: install postgresql")

    def as_server(self, command):
        perform(self.account + [str(part) for part in command], cwd="/")

    def sql(self, text, database="postgres"):
        return perform([self.bin / "psql", self.url(database), "-qtAc", text]).strip()

    def url(self, database):
        # By its socket, as programs on one machine do.
        return f"postgres://app@localhost:{self.port}/{database}?host={self.data}"

    def end(self):
        if (self.data / "postmaster.pid").exists():
            self.as_server([self.bin / "pg_ctl", "-D", self.data, "-m", "immediate", "-w", "stop"])


class Redis:
    """A Redis that keeps nothing on disk."""

    def __init__(self, scratch):
        self.port = free_port()
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
            cwd=scratch,
            stdout=subprocess.DEVNULL,
        )

    def empty(self):
        perform(["redis-cli", "-p", self.port, "FLUSHALL"])

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
