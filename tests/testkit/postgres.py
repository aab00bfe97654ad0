"""A real PostgreSQL server for the tests: its own cluster in a temporary directory, on a free loopback port."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg

from tests.testkit.machine import free_port

START_DEADLINE = 30  # seconds
OWNER = "tallystick"


class PostgresServer:
    """A running server; every database on it is made fresh and dropped again."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process = process
        self.port = port

    @contextmanager
    def fresh_database(self, template: str = "template1") -> Iterator[str]:
        """Give the SQLAlchemy URL of a copy of ``template``, dropped at the end with whoever is still connected."""
        name = f"test_{uuid4().hex}"
        # To copy the files takes half of what it takes to write their pages to the log of the server.
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        try:
            yield f"postgresql+psycopg://{OWNER}@127.0.0.1:{self.port}/{name}"
        finally:
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def wait_until_ready(self, log: Path) -> None:
        deadline = time.monotonic() + START_DEADLINE
        while True:
            try:
                self.execute("SELECT 1")
            except psycopg.OperationalError as refused:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text()}") from refused
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """Fast shutdown: connections are closed, data is written out."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait()

    def execute(self, statement: str) -> Any:
        """Run a statement by itself, as the server's owner, and return the first value that it gives, if any."""
        with psycopg.connect(
            host="127.0.0.1", port=self.port, user=OWNER, dbname="postgres", autocommit=True
        ) as connection:
            cursor = connection.execute(statement.encode())
            row = cursor.fetchone() if cursor.description else None
            return row and row[0]


@contextmanager
def running_server() -> Iterator[PostgresServer]:
    """Yield a server with its defaults (fsync on), but for what it compiles; gone with its files at the end."""
    binaries = _server_binaries()
    account = _server_account()
    with tempfile.TemporaryDirectory(prefix="tallystick-postgres-") as directory:
        home = Path(directory)
        if account is not None:
            os.chown(home, account.pw_uid, account.pw_gid)
        server = _start(binaries, home, account)
        try:
            server.wait_until_ready(home / "server.log")
            yield server
        finally:
            server.stop()


def _start(binaries: Path, home: Path, account: pwd.struct_passwd | None) -> PostgresServer:
    user = account.pw_uid if account else None
    group = account.pw_gid if account else None
    environment = {"PATH": os.defpath, "LC_ALL": "C.UTF-8"}
    data = str(home / "data")
    initdb = [str(binaries / "initdb"), "--pgdata", data, "--username", OWNER, "--auth=trust", "--encoding=UTF8"]
    subprocess.run(initdb, check=True, capture_output=True, cwd=home, env=environment, user=user, group=group)
    return _serve(binaries, home, account)


def _serve(binaries: Path, home: Path, account: pwd.struct_passwd | None) -> PostgresServer:
    user = account.pw_uid if account else None
    group = account.pw_gid if account else None
    environment = {"PATH": os.defpath, "LC_ALL": "C.UTF-8"}
    port = free_port()
    command = [str(binaries / "postgres"), "-D", str(home / "data"), "-p", str(port)]
    command += ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
    command += ["-c", "jit=off"]  # to compile a query of few rows takes longer than to run it
    with (home / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=home, env=environment, user=user, group=group, start_new_session=True
        )
    return PostgresServer(process, port)


def _server_binaries() -> Path:
    """Debian keeps the server's programs off PATH, in a folder for each major version."""
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not installed:
        raise FileNotFoundError("PostgreSQL's initdb is not on this machine: apt-get install postgresql")
    return installed[-1].parent


def _server_account() -> pwd.struct_passwd | None:
    """Return the account the server runs under, since it refuses to run as root; None for one's own."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]


@contextmanager
def running_standby(primary: PostgresServer) -> Iterator[PostgresServer]:
    """Yield a hot standby of this server: a base backup that follows it by streaming replication."""
    binaries, account = _server_binaries(), _server_account()
    with tempfile.TemporaryDirectory(prefix="tallystick-standby-") as directory:
        home = Path(directory)
        if account is not None:
            os.chown(home, account.pw_uid, account.pw_gid)
        command = [str(binaries / "pg_basebackup"), "--pgdata", str(home / "data"), "--write-recovery-conf"]
        command += ["--host", "127.0.0.1", "--port", str(primary.port), "--username", OWNER, "--checkpoint", "fast"]
        user = account.pw_uid if account else None
        group = account.pw_gid if account else None
        environment = {"PATH": os.defpath, "LC_ALL": "C.UTF-8"}
        subprocess.run(command, check=True, capture_output=True, cwd=home, env=environment, user=user, group=group)
        server = _serve(binaries, home, account)
        try:
            server.wait_until_ready(home / "server.log")
            yield server
        finally:
            server.stop()
