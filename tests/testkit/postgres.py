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
# What a database declares and which migrations it went through, as text: the same in a copy, ids of tables included.
DECLARED = """
SELECT (to_jsonb(t) - ARRAY[
    'relfilenode', 'relpages', 'reltuples', 'relallvisible', 'relallfrozen', 'relfrozenxid', 'relminmxid'
])::text AS line FROM pg_class t WHERE oid >= 16384 AND relnamespace <> 'pg_toast'::regnamespace
UNION ALL SELECT query_to_xml('TABLE ' || oid::regclass, true, false, '')::text FROM pg_class
    WHERE relkind = 'r' AND relname LIKE 'alembic_version%'
UNION ALL SELECT proname FROM pg_proc WHERE oid >= 16384
UNION ALL SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg_%'
UNION ALL SELECT setconfig::text FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase
    WHERE datname = current_database()
""" + "".join(
    f"UNION ALL SELECT t::text FROM pg_{catalogue} t\n"
    for catalogue in ("attribute", "index", "inherits", "constraint", "attrdef", "trigger", "extension")
)
TABLES = """
SELECT oid, oid::regclass::text FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"""
Connection = psycopg.Connection[tuple[Any, ...]]


class PostgresServer:
    """A running server; every database on it has one user after the other."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process = process
        self.port = port
        self._templates: dict[str, tuple[str, set[int]]] = {}
        self._emptied: dict[str, list[str]] = {}

    @contextmanager
    def fresh_database(self, template: str = "template1") -> Iterator[str]:
        """Give the SQLAlchemy URL of a copy of ``template``; whoever is still connected at the end is cut off.

        To make a database takes longer than most tests, so one that is as at its beginning comes again by another name.
        """
        name = f"test_{uuid4().hex}"
        if template not in self._templates:
            with self._connected(template) as connection:
                self._templates[template] = _declared(connection), {oid for oid, _ in connection.execute(TABLES)}
            self._emptied[template] = []
        emptied = self._emptied[template]
        if emptied:
            self.execute(f"ALTER DATABASE {emptied.pop()} RENAME TO {name}")
        else:
            # To copy the files takes half of what it takes to write their pages to the log of the server.
            self.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        try:
            yield f"postgresql+psycopg://{OWNER}@127.0.0.1:{self.port}/{name}"
        finally:
            if self._empty(name, *self._templates[template]):
                emptied.append(name)
            else:
                self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _empty(self, name: str, declared: str, tables: set[int]) -> bool:
        """Cut off whoever is connected, delete rows and added tables; return whether that is how the database began."""
        try:
            with self._connected(name) as connection:
                others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
                connection.execute(f"SELECT pg_terminate_backend(pid, 5000) {others}".encode())
                connection.execute("SET session_replication_role = replica")  # foreign keys ask for no order
                changes = [
                    f"DELETE FROM {table}" if oid in tables else f"DROP TABLE IF EXISTS {table} CASCADE"
                    for oid, table in connection.execute(TABLES)
                    if oid not in tables or not table.startswith("alembic_version")
                ]
                connection.execute(";".join(changes).encode())
                return _declared(connection) == declared
        except psycopg.Error:  # one that may only be read, for instance
            return False

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
        with self._connected("postgres") as connection:
            cursor = connection.execute(statement.encode())
            row = cursor.fetchone() if cursor.description else None
            return row and row[0]

    def _connected(self, name: str) -> Connection:
        return psycopg.connect(host="127.0.0.1", port=self.port, user=OWNER, dbname=name, autocommit=True)


def _declared(connection: Connection) -> str:
    digest = f"SELECT md5(string_agg(line, ' ' ORDER BY line)) FROM ({DECLARED}) AS declared"
    row = connection.execute(digest.encode()).fetchone()
    assert row is not None
    return str(row[0])


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
