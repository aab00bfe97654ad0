"""The nemesis: faults drawn from a seed, each begun at its moment, some while others last, and ended later.

The seed decides which faults there are, when and for how long, and on which rank (the primary, its synchronous standby,
another). Which machine has that rank then depends on the run.
"""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import httpx

from tests.campaigns.failover.cluster import FRONT, TTL, Cluster, ClusterFailed, Cut, Node
from tests.campaigns.failover.ledger import Books, Ledger

SEVERAL = (2, 5)  # faults in a history
LASTS = (1.0, 9.0)  # seconds
RANKS = (("leader",), ("leader",), ("sync_standby",), ("replica", "sync_standby"))
STALE_FOR = 1.5  # seconds for which a standby is left behind before it is promoted
POSTGRES = 5432

End = Callable[[], None]
Begin = Callable[["Ground", random.Random], End | None]


class Ground(NamedTuple):
    """What a fault is done to."""

    cluster: Cluster
    ledger: Ledger

    def drawn(self, chance: random.Random) -> Node:
        """Return a machine of a rank that the dice say; any while nobody knows who has which."""
        return next(iter(self.cluster.with_role(*chance.choice(RANKS))), None) or chance.choice(self.cluster.nodes)

    def leader(self) -> Node:
        """Return the primary, or any machine while there is none."""
        return next(iter(self.cluster.with_role("leader")), self.cluster.nodes[0])

    def others(self, node: Node) -> list[Node]:
        return [peer for peer in self.cluster.nodes if peer is not node]


def kill_program(name: str) -> Begin:
    """Kill a program, which is started again (PostgreSQL by Patroni, Patroni and etcd as by systemd)."""

    def begin(ground: Ground, chance: random.Random) -> None:
        ground.drawn(chance).signal("KILL", name)

    return begin


def keep_down(name: str) -> Begin:
    """Kill a program and leave it down for a while."""

    def begin(ground: Ground, chance: random.Random) -> End:
        node = ground.drawn(chance)
        node.keep(name, running=False)
        return lambda: node.keep(name, running=True)

    return begin


def pause(name: str) -> Begin:
    """Stop processes where they are, and let them go on later as if nothing had been."""

    def begin(ground: Ground, chance: random.Random) -> End:
        node = ground.drawn(chance)
        node.signal("STOP", name)
        return lambda: node.signal("CONT", name)

    return begin


def turn_off(ground: Ground, chance: random.Random) -> End:
    """Take a machine down with all its processes at once."""
    node = ground.drawn(chance)
    node.turn_off()
    return node.turn_on


def turn_all_off(ground: Ground, chance: random.Random) -> End:
    """Take all machines down, one right after the other, in any order."""
    nodes = chance.sample(ground.cluster.nodes, 3)
    for node in nodes:
        node.turn_off()

    def end() -> None:
        for node in nodes:
            node.turn_on()

    return end


def isolate(ground: Ground, chance: random.Random) -> End:
    """Cut a machine off from everybody."""
    node = ground.drawn(chance)
    return _cut(node, Cut(FRONT), *(Cut(peer.address) for peer in ground.others(node)))


def isolate_from_peers(ground: Ground, chance: random.Random) -> End:
    """Cut a machine off from the others, while the service still reaches it."""
    node = ground.drawn(chance)
    return _cut(node, *(Cut(peer.address) for peer in ground.others(node)))


def deafen(ground: Ground, chance: random.Random) -> End:
    """Let a machine hear nothing from one or both others, who still hear it where no answer is needed."""
    node = ground.drawn(chance)
    heard = chance.sample(ground.others(node), chance.choice((1, 2)))
    return _cut(node, *(Cut(peer.address) for peer in heard))


def mute(ground: Ground, chance: random.Random) -> End:
    """Let nobody else hear a machine, which still hears them."""
    node = ground.drawn(chance)
    others = ground.others(node)
    for peer in others:
        peer.cut(Cut(node.address))

    def end() -> None:
        for peer in others:
            peer.mend(Cut(node.address))

    return end


def cut_replication(ground: Ground, chance: random.Random) -> End:
    """Cut PostgreSQL off from its peers, while etcd and Patroni talk."""
    node = ground.drawn(chance)
    return _cut(node, *(Cut(peer.address, POSTGRES) for peer in ground.others(node)))


def step_clock(ground: Ground, chance: random.Random) -> End:
    """Set the clock of a machine or of the service forth or back, and right again later."""
    seconds = chance.choice((-1, 1)) * chance.choice((2, 30, 600, 86_400))
    if chance.random() < 0.3:
        ground.ledger.set_clock(seconds)
        return lambda: ground.ledger.set_clock(0)
    node = ground.drawn(chance)
    node.set_clock(seconds)
    return lambda: node.set_clock(0)


def fill_disk(ground: Ground, chance: random.Random) -> End:
    """Leave a machine's disk full, or nearly."""
    node = ground.drawn(chance)
    node.fill_disk(chance.choice((0, 0, 64, 2048)))
    return node.free_disk


def promote_stale_standby(ground: Ground, chance: random.Random) -> End:
    """Leave a standby behind, promote it behind Patroni's back, and lead the service to it.

    In half of the cases the standby keeps hearing the primary's etcd: Patroni is killed there, nothing else.
    """
    standbys = ground.cluster.with_role("sync_standby", "replica") or ground.cluster.nodes
    node = chance.choice(standbys)
    peers = [Cut(peer.address, None if chance.random() < 0.5 else POSTGRES) for peer in ground.others(node)]
    node.keep("patroni", running=False)
    mend = _cut(node, *peers)
    time.sleep(STALE_FOR)
    node.promote()
    ground.cluster.point_at(node)

    def end() -> None:
        ground.cluster.follow_patroni()
        mend()
        node.keep("patroni", running=True)

    return end


def cancel_waits(ground: Ground, _chance: random.Random) -> End:
    """Cancel commits that wait for a standby, and lose the primary: they stand there alone."""
    node = ground.leader()
    mend = _cut(node, *(Cut(peer.address, POSTGRES) for peer in ground.others(node)))
    for _ in range(6):
        time.sleep(0.2)
        node.sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
    return _lost(node, mend)


def restart_waits(ground: Ground, _chance: random.Random) -> End:
    """Restart a primary whose commits wait for a standby, behind Patroni's back, and lose it a little later.

    After the restart they are there for whoever looks, though no standby has them.
    """
    node = ground.leader()
    node.keep("patroni", running=False)
    ground.cluster.point_at(node)
    mend = _cut(node, *(Cut(peer.address, POSTGRES) for peer in ground.others(node)))
    time.sleep(0.7)
    node.restart_at_once()
    time.sleep(3)
    ground.cluster.follow_patroni()
    return _lost(node, mend)


def _lost(node: Node, mend: End) -> End:
    """Take the machine down until another is the primary."""
    node.turn_off()
    time.sleep(TTL + 3)

    def end() -> None:
        mend()
        node.turn_on()

    return end


def switch_over(ground: Ground, _chance: random.Random) -> None:
    """Let Patroni change the primary, as for an upgrade."""
    ground.cluster.switch_over()


def kill_service(ground: Ground, _chance: random.Random) -> None:
    """Kill the service."""
    ground.ledger.signal(signal.SIGKILL)


def restart_service(ground: Ground, _chance: random.Random) -> None:
    """End the service as an operator would."""
    ground.ledger.signal(signal.SIGTERM)


def pause_service(ground: Ground, _chance: random.Random) -> End:
    """Stop the service where it is, and let it go on later."""
    ground.ledger.signal(signal.SIGSTOP)
    return lambda: ground.ledger.signal(signal.SIGCONT)


FAULTS: dict[str, Begin] = {
    "kill-postgres": kill_program("postgres"),
    "kill-patroni": kill_program("patroni"),
    "kill-etcd": kill_program("etcd"),
    "patroni-down": keep_down("patroni"),
    "etcd-down": keep_down("etcd"),
    "pause-postgres": pause("postgres"),
    "pause-patroni": pause("patroni"),
    "pause-machine": pause("all"),
    "machine-off": turn_off,
    "all-off": turn_all_off,
    "isolate": isolate,
    "isolate-from-peers": isolate_from_peers,
    "deafen": deafen,
    "mute": mute,
    "cut-replication": cut_replication,
    "clock": step_clock,
    "full-disk": fill_disk,
    "cancel-waits": cancel_waits,
    "restart-waits": restart_waits,
    "promote-stale": promote_stale_standby,
    "switch-over": switch_over,
    "kill-service": kill_service,
    "restart-service": restart_service,
    "pause-service": pause_service,
}


class Planned(NamedTuple):
    """A fault to come: its name, when it begins in seconds from the start, how long it lasts, and its own dice."""

    name: str
    at: float
    lasts: float
    dice: int

    def __str__(self) -> str:
        return f"{self.name}@{self.at:.1f}+{self.lasts:.1f}"


def plan(chance: random.Random, seconds: float, only: tuple[str, ...] = ()) -> list[Planned]:
    """Draw the faults of one history in the order in which they begin; ``only`` of these kinds, where any are named."""
    faults = [
        Planned(
            chance.choice(only or tuple(FAULTS)),
            chance.uniform(0.1, 0.7) * seconds,
            chance.uniform(*LASTS),
            chance.getrandbits(32),
        )
        for _ in range(chance.randint(*SEVERAL))
    ]
    return sorted(faults, key=lambda planned: planned.at)


def afflict(ground: Ground, books: Books, planned: list[Planned], seconds: float) -> None:
    """Begin and end the faults at their moments, each in a thread of its own, and return after so many seconds.

    What still lasts then is left to ``Cluster.heal``.
    """
    over = threading.Event()
    threads = [threading.Thread(target=_one, args=(ground, books, fault, over), daemon=True) for fault in planned]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    over.set()
    for thread in threads:
        thread.join()


def _one(ground: Ground, books: Books, planned: Planned, over: threading.Event) -> None:
    if over.wait(planned.at):
        return
    books.note_fault(f"{planned} begins")
    with suppress(httpx.HTTPError, OSError, ClusterFailed):  # whoever is to be hurt is down already
        end = FAULTS[planned.name](ground, random.Random(planned.dice))
        if end is not None:
            over.wait(planned.lasts)
            books.note_fault(f"{planned} ends")
            end()


def _cut(node: Node, *cuts: Cut) -> End:
    node.cut(*cuts)
    return lambda: node.mend(*cuts)
