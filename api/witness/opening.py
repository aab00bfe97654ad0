"""Opening a witness: every part is made here from its settings."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread

from starlette.types import ASGIApp

from api.witness.app import create_app
from ledger.chain.eth import Eth
from ledger.chain.rpc import JsonRpc
from ledger.config.settings import WITNESS_PREFIX, WitnessSettings
from ledger.core.errors import MalformedInput
from ledger.core.verification.trust import Trust, parse_trust
from ledger.store.witness import WitnessStore
from ledger.witness.contracts import contracts_at
from ledger.witness.directory import WitnessDirectory, open_keys
from ledger.witness.follow import LogFollower
from ledger.witness.signing import Cosigner
from ledger.witness.source import LogSource
from ledger.witness.status import Alarms, status_of
from ledger.witness.watch import Watch

ENDING_S = 5  # seconds that a look under way gets when the witness stops


@dataclass(frozen=True)
class RunningWitness:
    """The parts of a witness that others use."""

    app: ASGIApp
    watch: Watch
    cosigner: Cosigner
    store: WitnessStore


def read_trust(settings: WitnessSettings) -> Trust:
    """Return the trust file that the settings name, or the one in the witness's directory. Raises MalformedInput."""
    path = settings.trust or WitnessDirectory(settings.data_dir).trust
    try:
        return parse_trust(path.read_bytes())
    except FileNotFoundError as error:
        hint = f"Lay it there, or name it: {_hint('TRUST')}"
        raise MalformedInput(f"expected the ledger's trust file at {path}", field="--trust", hint=hint) from error


@contextmanager
def open_witness(settings: WitnessSettings) -> Iterator[RunningWitness]:
    """Yield a witness that watches log and chain until the block is left.

    Raises MalformedInput for what is missing, KeyRefused for a wrong passphrase, Conflict for the database of another
    log, NotFound if the node is of no chain that the trust file names, and Unavailable if the node does not answer.
    """
    witness, source = _assemble(settings)
    stop = Event()
    looking = Thread(target=witness.watch.run, args=(stop, settings.look_interval_s), name="look", daemon=True)
    looking.start()
    try:
        yield witness
    finally:
        stop.set()
        looking.join(ENDING_S)
        source.close()
        witness.store.close()


def _assemble(settings: WitnessSettings) -> tuple[RunningWitness, LogSource]:
    """Build every part without starting any."""
    trust = read_trust(settings)
    for option, url in (("log", settings.log_url), ("rpc", settings.rpc_url)):
        if not url:
            raise MalformedInput("expected an http(s) URL", field=f"--{option}", hint=_hint(f"{option.upper()}_URL"))
    where = WitnessDirectory(settings.data_dir)
    keys = open_keys(where, settings.passphrase(where))
    contracts = contracts_at(
        Eth(JsonRpc(settings.rpc_url, timeout_seconds=settings.rpc_timeout_s)), trust, settings.finality
    )
    source = LogSource(settings.log_url, timeout_s=settings.log_timeout_s)
    store = WitnessStore.open(where.database, trust)
    alarms = Alarms(store, now_ms)
    follower = LogFollower(store, source, contracts, alarms, now_ms)
    watch = Watch(
        trust,
        store,
        follower,
        source=source,
        contracts=contracts,
        alarms=alarms,
        clock=now_ms,
        reach_timeout_s=settings.reach_timeout_s,
        anchor_lag_s=settings.anchor_lag_s,
        mirror_lag_s=settings.mirror_lag_s,
    )
    cosigner = Cosigner(
        trust,
        store,
        follower,
        contracts=contracts,
        watch=watch,
        note_signer=keys.note,
        account=keys.account,
        clock=now_ms,
        reach_timeout_s=settings.reach_timeout_s,
    )
    app = create_app(
        cosigner,
        lambda: status_of(store, now=now_ms(), silence_s=settings.silence_s),
        max_requests_per_s=settings.max_requests_per_s,
        request_timeout_s=settings.request_timeout_s,
    )
    return RunningWitness(app, watch, cosigner, store), source


def now_ms() -> int:
    """Return unix milliseconds."""
    return time.time_ns() // 1_000_000


def _hint(name: str) -> str:
    return f"It comes from the option or from the variable {WITNESS_PREFIX}{name}."
