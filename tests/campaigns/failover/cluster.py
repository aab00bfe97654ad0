"""A cluster of PostgreSQL that fails over, and ways to hurt it: three machines with etcd, Patroni and a server each.

Each machine is a set of namespaces of its own (network, processes, mounts, System V memory) with a disk of its own on a
tmpfs, on a bridge of the campaign's network namespace. There HAProxy listens, and asks Patroni who is the primary.
Everything here needs to be root in namespaces that ``tests.campaigns.failover.__main__`` has made: nothing touches the
machine's own network, and nothing is left when they end.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psycopg

ROOT = Path(__file__).resolve().parents[3]
ACCOUNT = "postgres"
SERVER_PROGRAMS = "/usr/lib/postgresql"
FAKETIME = "faketime/libfaketimeMT.so.1"
NETWORK = "10.77.0"  # of the bridge; nothing outside the campaign's namespace sees it
FRONT = f"{NETWORK}.1"  # where the service and HAProxy are
PORT = 5000  # of HAProxy on loopback
NAMES = ("node1", "node2", "node3")
DISK_MB = 640
TTL = 6  # seconds after which Patroni elects another leader
UP_WITHIN = 90  # seconds
HEALED_WITHIN = 150  # seconds
COPY_BEGINS = 2  # seconds until Patroni tells the others that a copy is made anew
DATABASE = f"postgresql+psycopg://tallystick@127.0.0.1:{PORT}/ledger?connect_timeout=5"
PROGRAMS = {  # of Debian's packages
    "patroni": "patroni",
    "etcd": "etcd-server",
    "haproxy": "haproxy",
    "nft": "nftables",
    "ip": "iproute2",
    "unshare": "util-linux",
}
# Patroni takes no time to live below 20 s; here each history would wait for it.
PATRONI = """\
import sys
from patroni.__main__ import main
from patroni.config import Config
Config._Config__get_and_maybe_adjust_int_value = lambda self, config, name, least: int(config[name])
sys.exit(main())
"""
HAPROXY = """\
global
    stats socket {socket} level admin
    maxconn 400
defaults
    mode tcp
    timeout connect 2s
    timeout check 1s
    timeout client 1h
    timeout server 1h
listen ledger
    bind 127.0.0.1:{port}
    option httpchk OPTIONS /primary
    http-check expect status 200
    default-server inter 500 fastinter 250 downinter 500 fall 2 rise 1 on-marked-down shutdown-sessions
"""


class ClusterFailed(Exception):
    """The cluster did not come up, or did not heal."""


class Cut(NamedTuple):
    """Packets from ``source`` (an address) that do not arrive; with ``port``, only those of PostgreSQL."""

    source: str
    port: int | None = None

    def rules(self) -> Iterator[str]:
        if self.port is None:
            yield f"add rule inet cut arriving ip saddr {self.source} drop"
            return
        for end in ("sport", "dport"):
            yield f"add rule inet cut arriving ip saddr {self.source} tcp {end} {self.port} drop"


def missing() -> list[str]:
    """Return Debian's packages that this machine lacks."""
    lacking = [package for program, package in PROGRAMS.items() if found(program) is None]
    if not sorted(Path(SERVER_PROGRAMS).glob("*/bin/initdb")):
        lacking.append("postgresql")
    if not list(Path("/usr/lib").glob(f"*/{FAKETIME}")):
        lacking.append("libfaketime")
    return lacking


def found(program: str) -> str | None:
    """Return the path of a program; those of the system's operator need not be on PATH."""
    return shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")


def newest_server() -> Path:
    """Return the folder of the newest PostgreSQL's programs."""
    folders = Path(SERVER_PROGRAMS).glob("*/bin/initdb")
    return max(folders, key=lambda path: int(path.parts[-3])).parent


def shell(*command: str | Path, **options: Any) -> str:
    """Run a command that must succeed; return what it printed."""
    words = [found(str(command[0])) or str(command[0]), *map(str, command[1:])]
    done = subprocess.run(words, check=False, capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise ClusterFailed(f"{' '.join(words)}: {done.stderr or done.stdout}")
    return done.stdout


class Node:
    """One machine. ``disk`` is its tmpfs: the data of PostgreSQL."""

    def __init__(self, name: str, number: int, folder: Path):
        self.name = name
        self.address = f"{NETWORK}.{10 + number}"
        self.folder = folder / name
        self.disk = self.folder / "disk"
        self.data = self.disk / "data"
        self.clock = self.folder / "clock"
        self.cuts: set[Cut] = set()
        self.was_promoted = False  # behind Patroni's back, and not copied anew since
        self._process: subprocess.Popen[str] | None = None
        self._gate = threading.Lock()
        self._bridged = f"v{number}"

    # -- what it is ----------------------------------------------------------------------------------------------------

    def lay_out(self, peers: Sequence[Node]) -> None:
        """Make its network, its disk and the configuration of what runs on it."""
        account = pwd.getpwnam(ACCOUNT)
        self.disk.mkdir(parents=True)
        self.disk.parent.chmod(0o755)
        shell("mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", self.disk)
        etcd, logs = self.folder / "etcd", self.folder / "logs"
        for folder in (self.disk, etcd, logs, self.folder):
            folder.mkdir(exist_ok=True)
            os.chown(folder, account.pw_uid, account.pw_gid)
        etcd.chmod(0o700)
        self.set_clock(0)
        shell("ip", "netns", "add", self.name)
        shell("ip", "link", "add", self._bridged, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        shell("ip", "link", "set", self._bridged, "master", "bridge", "up")
        for words in (("addr", "add", f"{self.address}/24", "dev", "eth0"), ("link", "set", "eth0", "up")):
            shell("ip", "-n", self.name, *words)
        shell("ip", "-n", self.name, "link", "set", "lo", "up")
        self._filter("add table inet cut", "add chain inet cut arriving { type filter hook input priority 0; }")
        (self.folder / "patroni.json").write_text(json.dumps(self._patroni(peers), indent=1))
        programs = [self._program("etcd", self._etcd(peers)), self._program("patroni", self._patroni_command())]
        settings = {"user": account.pw_uid, "group": account.pw_gid, "programs": programs}
        (self.folder / "node.json").write_text(json.dumps(settings, indent=1))

    def _program(self, name: str, command: list[str]) -> dict[str, Any]:
        environment = {"PATH": f"{newest_server()}:/usr/bin:/bin:/usr/sbin", "LC_ALL": "C.UTF-8", "HOME": "/tmp"}
        if name == "patroni":  # etcd's Go does not ask the C library for the time
            environment |= faked_time(self.clock)
        log = str(self.folder / "logs" / f"{name}.log")
        return {"name": name, "command": command, "environment": environment, "log": log}

    def _etcd(self, peers: Sequence[Node]) -> list[str]:
        here = f"http://{self.address}"
        others = ",".join(f"{peer.name}=http://{peer.address}:2380" for peer in peers)
        return [
            found("etcd") or "etcd",
            *("--name", self.name, "--data-dir", str(self.folder / "etcd")),
            *("--listen-peer-urls", f"{here}:2380", "--initial-advertise-peer-urls", f"{here}:2380"),
            *("--listen-client-urls", f"{here}:2379", "--advertise-client-urls", f"{here}:2379"),
            *("--initial-cluster", others, "--initial-cluster-state", "new", "--log-level", "warn"),
        ]

    def _patroni_command(self) -> list[str]:
        # Debian's Patroni is of Debian's Python, whichever runs the campaign.
        return ["/usr/bin/python3", "-I", "-c", PATRONI, str(self.folder / "patroni.json")]

    def _patroni(self, peers: Sequence[Node]) -> dict[str, Any]:
        parameters = {
            "synchronous_commit": "on",
            "fsync": "on",
            "wal_log_hints": "on",
            "shared_buffers": "32MB",
            "max_connections": 120,
            "max_wal_size": "96MB",
            "min_wal_size": "32MB",
            "wal_keep_size": "48MB",
            "max_slot_wal_keep_size": "160MB",
            "checkpoint_timeout": "60s",
            "checkpoint_completion_target": 0.1,
            "wal_sender_timeout": "3s",
            "wal_receiver_timeout": "3s",
            "wal_receiver_status_interval": "1s",
            "wal_retrieve_retry_interval": "500ms",
            "tcp_user_timeout": "5s",
            "log_line_prefix": "%m [%p] ",
        }
        return {
            "scope": "ledger",
            "name": self.name,
            "restapi": {"listen": f"{self.address}:8008", "connect_address": f"{self.address}:8008"},
            "etcd3": {"hosts": [f"{peer.address}:2379" for peer in peers]},
            "bootstrap": {
                "dcs": {
                    "ttl": TTL,
                    "loop_wait": 1,
                    "retry_timeout": 2,
                    "synchronous_mode": True,
                    "synchronous_mode_strict": True,
                    "postgresql": {"use_pg_rewind": True, "use_slots": True, "parameters": parameters},
                },
                "initdb": [{"encoding": "UTF8"}, {"locale": "C.UTF-8"}, "data-checksums"],
            },
            "postgresql": {
                "listen": f"{self.address}:5432",
                "connect_address": f"{self.address}:5432",
                "data_dir": str(self.data),
                "bin_dir": str(newest_server()),
                "pgpass": str(self.folder / "pgpass"),
                "authentication": {name: {"username": "postgres"} for name in ("superuser", "replication", "rewind")},
                "pg_hba": [
                    "local all all trust",
                    *(f"host {of} all {NETWORK}.0/24 trust" for of in ("all", "replication")),
                ],
                "parameters": {"unix_socket_directories": str(self.folder)},
                "basebackup": [{"checkpoint": "fast"}],
                "remove_data_directory_on_rewind_failure": True,
                "remove_data_directory_on_diverged_timelines": True,
            },
        }

    # -- what is done to it --------------------------------------------------------------------------------------------

    def turn_on(self) -> None:
        """Start its first process, which starts what runs on it."""
        if self.is_on:
            return
        self._process = subprocess.Popen(
            [
                *("nsenter", f"--net=/run/netns/{self.name}"),
                *("unshare", "--mount", "--pid", "--ipc", "--fork", "--kill-child", "--mount-proc"),
                *(sys.executable, "-m", "tests.campaigns.failover.node", str(self.folder / "node.json")),
            ],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def turn_off(self) -> None:
        """Kill every process of it at once; its disk stays."""
        if self._process is None:
            return
        own = self._process.pid
        children = Path(f"/proc/{own}/task/{own}/children").read_text(encoding="ascii").split()
        self._process.kill()
        self._process.wait()
        self._process = None
        for child in children:  # the first process in there, which is gone only when all others are
            with suppress(ChildProcessError):
                os.waitpid(int(child), 0)

    @property
    def is_on(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def signal(self, name: str, to: str) -> None:
        """Send a signal to processes of this name (postgres, patroni, etcd, all)."""
        self._order({"signal": name, "to": to})

    def keep(self, program: str, *, running: bool) -> None:
        """Let a program run, or kill it and start it no more."""
        self._order({"program": program, "wanted": running})

    def run(self, *command: str | Path) -> tuple[int, str]:
        """Run a command as the account of the programs; return its exit status and output."""
        answer = self._order({"run": [*map(str, command)]})
        return answer.get("status", 127), answer.get("output", "")

    def promote(self) -> tuple[int, str]:
        """Promote the standby without asking Patroni."""
        self.was_promoted = True
        return self.run(newest_server() / "pg_ctl", "promote", "-D", self.data, "-t", "8")

    def restart_at_once(self) -> tuple[int, str]:
        """Restart PostgreSQL as after a crash, without asking Patroni."""
        return self.run(
            newest_server() / "pg_ctl",
            "restart",
            "-m",
            "immediate",
            "-D",
            self.data,
            "-t",
            "8",
            "-l",
            self.folder / "logs" / "restarted.log",
        )

    def sql(self, statement: str) -> tuple[int, str]:
        """Run a statement as the superuser."""
        return self.run(newest_server() / "psql", "-h", self.folder, "-U", "postgres", "-c", statement)

    def _order(self, order: dict[str, Any]) -> dict[str, Any]:
        """Tell the machine; nothing happens where it is off."""
        with self._gate:
            if not self.is_on:
                return {}
            assert self._process is not None
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            with suppress(OSError, ValueError):  # turned off meanwhile
                self._process.stdin.write(json.dumps(order) + "\n")
                answer: dict[str, Any] = json.loads(self._process.stdout.readline())
                return answer
        return {}

    def set_clock(self, seconds: float) -> None:
        """Let Patroni and PostgreSQL see a clock that is so far ahead."""
        write_clock(self.clock, seconds)

    def fill_disk(self, left_kb: int) -> None:
        """Take what is free on its disk but for so many kilobytes."""
        free = shutil.disk_usage(self.disk).free - left_kb * 1024
        if free > 0:
            with (self.disk / "filler").open("ab") as file:
                os.posix_fallocate(file.fileno(), file.tell(), free)

    def free_disk(self) -> None:
        (self.disk / "filler").unlink(missing_ok=True)

    def cut(self, *cuts: Cut) -> None:
        """Let these packets arrive here no more."""
        self._set_cuts(self.cuts | set(cuts))

    def mend(self, *cuts: Cut) -> None:
        """Let these packets arrive again."""
        self._set_cuts(self.cuts - set(cuts))

    def mend_all(self) -> None:
        self._set_cuts(set())

    def _set_cuts(self, cuts: set[Cut]) -> None:
        self.cuts = cuts
        self._filter("flush chain inet cut arriving", *(rule for cut in sorted(cuts, key=str) for rule in cut.rules()))

    def _filter(self, *rules: str) -> None:
        shell("ip", "netns", "exec", self.name, found("nft") or "nft", "-f", "-", input="\n".join(rules) + "\n")


def faked_time(clock: Path) -> dict[str, str]:
    """Return the environment in which a program sees the clock of this file."""
    library = next(iter(Path("/usr/lib").glob(f"*/{FAKETIME}")))
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def write_clock(clock: Path, seconds: float) -> None:
    """Set a clock: all at once, or a program would read half of it."""
    new = clock.with_suffix(".new")
    new.write_text(f"{seconds:+.0f}\n")
    new.chmod(0o644)
    new.replace(clock)


class Cluster:
    """The machines with HAProxy in front of them."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.nodes = [Node(name, number, folder) for number, name in enumerate(NAMES, 1)]
        self._socket = folder / "haproxy.sock"
        self._haproxy: subprocess.Popen[bytes] | None = None
        self._http = httpx.Client(timeout=2, trust_env=False)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the cluster until the block is left. Raises ClusterFailed if it does not come up."""
        self.folder.chmod(0o755)
        shell("mount", "-t", "tmpfs", "tmpfs", "/run")
        shell("ip", "link", "set", "lo", "up")
        shell("ip", "link", "add", "bridge", "type", "bridge")
        shell("ip", "addr", "add", f"{FRONT}/24", "dev", "bridge")
        shell("ip", "link", "set", "bridge", "up")
        for node in self.nodes:
            node.lay_out(self.nodes)
        try:
            for node in self.nodes:
                node.turn_on()
            self._start_haproxy()
            self.wait(self.is_healthy, "the cluster is up", UP_WITHIN)
            self._make_database()
            yield
        finally:
            for node in self.nodes:
                node.turn_off()
            if self._haproxy is not None:
                self._haproxy.kill()
                self._haproxy.wait()

    def _start_haproxy(self) -> None:
        servers = []
        for node in self.nodes:
            # What is pointed at whatever Patroni says is a server of its own, which no check touches.
            servers += [
                f"    server {node.name} {node.address}:5432 maxconn 100 check port 8008",
                f"    server forced-{node.name} {node.address}:5432 weight 0 disabled",
                f"    use-server forced-{node.name} if {{ srv_is_up(forced-{node.name}) }}",
            ]
        file = self.folder / "haproxy.cfg"
        file.write_text(HAPROXY.format(socket=self._socket, port=PORT) + "\n".join(servers) + "\n")
        with (self.folder / "haproxy.log").open("ab") as log:
            command = [found("haproxy") or "haproxy", "-db", "-f", str(file)]
            self._haproxy = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def _make_database(self) -> None:
        def make() -> bool:
            with psycopg.connect(
                f"postgresql://postgres@127.0.0.1:{PORT}/postgres?connect_timeout=3", autocommit=True
            ) as connection:
                connection.execute("CREATE ROLE tallystick LOGIN")
                connection.execute("CREATE DATABASE ledger OWNER tallystick")
            return True

        self.wait(make, "HAProxy leads to the primary", UP_WITHIN)

    @staticmethod
    def wait(holds: Callable[[], object], condition: str, within: float) -> None:
        """Wait until it holds. Raises ClusterFailed if it does not within so many seconds."""
        deadline, last = time.monotonic() + within, ""
        while time.monotonic() < deadline:
            try:
                if holds():
                    return
            except (httpx.HTTPError, psycopg.Error, OSError) as error:
                last = f": {error}"
            time.sleep(0.25)
        raise ClusterFailed(f"not within {within} s: {condition}{last}")

    # -- what it says of itself ----------------------------------------------------------------------------------------

    def members(self) -> list[dict[str, Any]]:
        """Return what Patroni says of its members, asking one machine after the other; nothing if none answers."""
        for node in self.nodes:
            with suppress(httpx.HTTPError, ValueError):
                members: list[dict[str, Any]] = self._http.get(f"http://{node.address}:8008/cluster").json()["members"]
                if any(member["role"] == "leader" for member in members):
                    return members
        return []

    def with_role(self, *roles: str) -> list[Node]:
        """Return the machines whose role is one of these: leader, sync_standby, replica."""
        role_of = {member["name"]: member["role"] for member in self.members()}
        return [node for node in self.nodes if role_of.get(node.name) in roles]

    def primary_url(self) -> str:
        """Return the database's URL at the primary itself. Raises ClusterFailed while there is none."""
        for leader in self.with_role("leader"):
            return f"postgresql+psycopg://tallystick@{leader.address}/ledger?connect_timeout=5"
        raise ClusterFailed("there is no primary")

    def is_healthy(self) -> bool:
        """Return whether there are a leader and two standbys that follow it closely, one of them synchronously."""
        if len(self.followers()) < len(self.nodes) - 1:
            return False
        members = self.members()
        leaders = [member for member in members if member["role"] == "leader" and member["state"] == "running"]
        following = [
            member
            for member in members
            if member["role"] in ("sync_standby", "replica")
            and member["state"] == "streaming"
            and isinstance(member.get("lag"), int)
            and member["lag"] < 1024 * 1024
        ]
        return (
            len(leaders) == 1
            and len(following) == len(self.nodes) - 1
            and len({member["timeline"] for member in members}) == 1
            and any(member["role"] == "sync_standby" for member in following)
        )

    def followers(self) -> set[str]:
        """Return the names of the standbys to which the primary streams, and that are behind it and not ahead.

        Patroni calls one streaming, too, that waits for a primary that is behind it.
        """
        close = "pg_wal_lsn_diff(pg_current_wal_lsn(), flush_lsn) BETWEEN 0 AND 1048576"
        query = f"SELECT application_name FROM pg_stat_replication WHERE state = 'streaming' AND {close}"
        for leader in self.with_role("leader"):
            url = f"postgresql://postgres@{leader.address}/postgres?connect_timeout=5"
            with suppress(psycopg.Error), psycopg.connect(url, autocommit=True) as connection:
                return {str(name) for (name,) in connection.execute(query)}
        return set()

    # -- what is done to it --------------------------------------------------------------------------------------------

    def point_at(self, node: Node) -> None:
        """Let HAProxy lead to this machine whatever Patroni says, and end the connections to the others."""
        self.follow_patroni()
        self._tell_haproxy(f"enable server ledger/forced-{node.name}")
        for peer in self.nodes:
            self._tell_haproxy(f"shutdown sessions server ledger/{peer.name}")

    def follow_patroni(self) -> None:
        """Let HAProxy ask Patroni again."""
        for node in self.nodes:
            self._tell_haproxy(f"disable server ledger/forced-{node.name}")
            self._tell_haproxy(f"shutdown sessions server ledger/forced-{node.name}")

    def _tell_haproxy(self, *orders: str) -> None:
        for order in orders:
            with socket.socket(socket.AF_UNIX) as line:
                line.settimeout(3)
                line.connect(str(self._socket))
                line.sendall(order.encode() + b"\n")
                while line.recv(4096):
                    continue

    def switch_over(self) -> None:
        """Ask Patroni for another primary, as an operator does; a refusal is none of this campaign's business."""
        for leader in self.with_role("leader"):
            with suppress(httpx.HTTPError):
                self._http.post(f"http://{leader.address}:8008/switchover", json={"leader": leader.name}, timeout=10)

    def heal(self) -> None:
        """Undo everything that was done, and wait until the cluster is whole. Raises ClusterFailed if it is not."""
        for node in self.nodes:
            node.mend_all()
            node.free_disk()
            node.set_clock(0)
            node.turn_on()
            node.signal("CONT", "all")
            for program in ("etcd", "patroni"):
                node.keep(program, running=True)
        self.follow_patroni()
        self.wait(lambda: self.with_role("leader"), "there is a primary again", HEALED_WITHIN / 2)
        # It may have a timeline of the same number as the new primary's: Patroni sees no difference then.
        self._copy_anew([node for node in self.nodes if node.was_promoted])
        try:
            self.wait(self.is_healthy, "the cluster is whole again", HEALED_WITHIN / 2)
        except ClusterFailed:
            followers = self.followers()
            self._copy_anew([node for node in self.nodes if node.name not in followers])
            self.wait(self.is_healthy, "the cluster is whole again, standbys copied anew", HEALED_WITHIN / 2)

    def _copy_anew(self, nodes: Sequence[Node]) -> None:
        """Let standbys copy the primary's data, as an operator would; the primary itself has it."""
        for node in nodes:
            if node in self.with_role("leader"):
                continue

            def begins(url: str = f"http://{node.address}:8008/reinitialize") -> bool:
                return self._http.post(url, json={"force": True}, timeout=10).is_success

            with suppress(ClusterFailed):  # ``heal`` notices
                self.wait(begins, f"{node.name} is copied anew", HEALED_WITHIN / 5)
                node.was_promoted = False
        if nodes:
            time.sleep(COPY_BEGINS)
