"""Load: the twelve stories, played into an empty development ledger by the people of its town.

They take the way that everything takes: keys are granted on the chain and mirrored, events are signed, judged and
sequenced, models are published, and it is the service that raises the leads. Begun and not ended, loading goes on where
it stopped; ended, it changes nothing. Story 10 leaves nothing to load: what the operator does in it no ledger records.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import Struct

from ledger.chain import contract
from ledger.chain.contract import ContractDomain
from ledger.chain.contract_clients import RegistryClient
from ledger.chain.transaction import sign
from ledger.config.installation import DataDirectory
from ledger.config.installation import load as load_installation
from ledger.config.secret_files import read_secret, write_secret
from ledger.core.encoding.decoding import decode_json
from ledger.core.errors import Conflict, RuleRefused, Unavailable
from ledger.core.ethereum.contract_changes import ROLE_BITS
from ledger.core.events import Envelope, decode_envelope, entry_hash
from ledger.core.events.record import DatasetRegistered
from ledger.core.events.streams import StreamHead
from ledger.core.events.supervision import BilingualText
from ledger.core.messages import Term
from ledger.core.procedure.adoption import require_in_force
from ledger.core.procedure.rulebook import Rulebook
from ledger.core.signing.authority import AuthorityState
from ledger.core.signing.signatures import TransactionSigner
from ledger.recording.publisher import Receipt
from ledger.recording.sequencer import Sequencer
from ledger.recording.validation import Duplicate, Validator
from ledger.samples import governance, stories
from ledger.samples.player import POLL, LoggedEvent, ModelLook, Player, SampleLedger
from ledger.samples.town import AGENCIES, GRANTED_UNTIL, PEOPLE, SamplePerson, TownKeys, admin_of
from ledger.store import log
from ledger.store.database import Database
from ledger.supervision.runs.datasets import DatasetFiles
from ledger.supervision.runs.supervisor import RunState

MIRRORED_WITHIN = 120  # seconds in which the log is expected to have another one of the keys


def grant_keys(player: Player, *people: SamplePerson) -> None:
    """Grant people their keys, each by the admin of his agency; return once the log has them.

    Raises Unavailable if it gets no more of them.
    """
    keys = {person: player.keys.key_id(person.profile) for person in people}
    # Asked once: the log lags behind the chain, and a key that was just granted need not be in it yet.
    granted, domain = player.ledger.granted(), player.ledger.registry_domain()
    for person, key_id in keys.items():
        if key_id not in granted:
            signer = player.keys.signer(person.profile)
            request = contract.request_key(signer, domain, agency=person.agency, officer=person.officer)
            call = contract.grant_key(request, roles=ROLE_BITS[person.role], valid_from=0, valid_until=GRANTED_UNTIL)
            player.ledger.relay(call, player.keys.signer(admin_of(person.agency)))
    missing, moved = len(keys), time.monotonic()
    while left := set(keys.values()) - player.ledger.granted():
        if len(left) < missing:
            missing, moved = len(left), time.monotonic()
        if time.monotonic() > moved + MIRRORED_WITHIN:
            raise Unavailable(
                "the log does not have the keys of the town yet",
                code="keys_not_mirrored",
                hint="See /readyz for how it stands with the chain, then load again.",
            )
        time.sleep(POLL)


def _work_leads(player: Player) -> None:
    stories.THIRD_RETURN_LEAD.work(player, until="closed")
    stories.DETENTION_LEAD.work(player, until="answered")
    stories.JUDGMENT_LEAD.work(player, until="assigned")


# Models come after the cases: a run between two acts would find a case half written.
PARTS: tuple[tuple[BilingualText, Callable[[Player], object]], ...] = tuple(
    (BilingualText(zh=zh, en=en), play_part)
    for zh, en, play_part in (
        ("授予密钥", "keys are granted", lambda player: grant_keys(player, *PEOPLE)),
        ("1 顺利移送", "1 clean run", stories.CLEAN_RUN.play),
        ("2 短少", "2 short delivery", stories.SHORT_DELIVERY.play),
        ("3 案卷不合格", "3 bad dossier", stories.BAD_DOSSIER.play),
        ("4 第三次退补", "4 third return", stories.THIRD_RETURN.play),
        ("5 拘留后取保", "5 detained, then bailed", stories.DETAINED_THEN_BAILED.play),
        ("6 换押", "6 custody of a person", stories.CUSTODY_OF_A_PERSON.play),
        ("7 款物与车辆", "7 money and a car", stories.MONEY_AND_A_CAR.play),
        ("8 手机", "8 a phone", stories.A_PHONE.play),
        ("9 上诉与发回", "9 appeal and remand", stories.APPEAL_AND_REMAND.play),
        ("10 运维方作弊（诚实的账本里没有）", "10 the operator cheats (no honest ledger has it)", lambda _: None),
        ("发布监督模型", "models are published", lambda player: governance.publish(player, *governance.MODELS)),
        ("办理 4、5、7 的线索", "leads of 4, 5 and 7 are worked", _work_leads),
        ("11 从导入到治理", "11 import to governance", governance.from_import_to_governance),
        ("12 删除与陌生人", "12 erasure and a stranger", stories.ERASURE.play),
    )
)


class Progress(Struct, frozen=True):
    """How far it is: ``done`` of ``of`` parts, ``events`` in all, and the part that is under way; None at the end."""

    done: int
    of: int
    events: int
    part: BilingualText | None


class _Begun(Struct, frozen=True):
    """What makes the stories the same whenever they are played again; kept before the first is."""

    began_at: int
    secret: str


def require_development(where: DataDirectory) -> TownKeys:
    """Return the keys of the town that this ledger was founded with.

    Raises RuleRefused ``not_development`` for any other ledger, and where it has no such keys.
    """
    installation = load_installation(where)
    keys = TownKeys.of(where)
    if installation.founding.development and keys.are_there:
        admins = {agency.agency_id: agency.admin for agency in installation.founding.agencies}
        if admins == {agency.agency_id: keys.key_id(admin_of(agency.agency_id)) for agency in AGENCIES}:
            return keys
    raise RuleRefused(
        "sample data is for a ledger that was founded as a development town, with the keys of its people",
        code="not_development",
        field="data_dir",
        hint="Found one in another directory: tally init --development --keep-passphrase --data-dir DIRECTORY",
    )


def is_begun(where: DataDirectory) -> bool:
    """Return whether loading was begun here: then it may be gone on with, and nothing is recorded twice."""
    return _file(where).exists()


def require_empty(where: DataDirectory, ledger: SampleLedger) -> None:
    """Raise Conflict ``not_empty`` if the log has events of people, and loading was not begun before them."""
    if is_begun(where):
        return
    written = next((entry for entry in ledger.entries() if entry.stream.kind != "system"), None)
    if written is not None:
        raise Conflict(
            "this ledger is in use: {written.agency} has written {event_type}",
            written=written,
            event_type=Term("event_type", written.event_type),
            code="not_empty",
            field="data_dir",
            hint="Sample data goes into an empty ledger. Found one: tally init --development --data-dir DIRECTORY",
        )


def load(where: DataDirectory, ledger: SampleLedger, show: Callable[[Progress], None]) -> int:
    """Play all parts, showing before each how far it is; return the number of events.

    Raises what ``require_development`` and ``require_empty`` raise, and Unavailable where the service does not do its
    part any more: the same call goes on from there.
    """
    keys = require_development(where)
    require_empty(where, ledger)
    if not is_begun(where):
        fresh = _Begun(int(time.time()), secrets.token_hex(16))
        write_secret(_file(where), msgspec.json.encode(fresh), field="data_dir")
    begun = decode_json(read_secret(_file(where), field="data_dir"), _Begun)
    return play(Player(ledger, keys, began_at=begun.began_at, secret=begun.secret), show)


def play(player: Player, show: Callable[[Progress], None]) -> int:
    """Play all parts into the player's ledger; return the number of events."""
    for done, (part, play_part) in enumerate(PARTS):
        show(Progress(done, len(PARTS), player.events, part))
        play_part(player)
    show(Progress(len(PARTS), len(PARTS), player.events, None))
    return player.events


def _file(where: DataDirectory) -> Path:
    return where.path / "sample.json"


@dataclass(frozen=True, kw_only=True)
class InsideLedger:
    """A sample ledger from within its service: the parts that requests come to, without the requests.

    ``registry`` raises Unavailable while no chain is connected; ``runs`` says how it stands with the runs of models;
    ``clock`` gives unix milliseconds. Calls wait: they belong in a thread of their own.
    """

    database: Database
    validator: Validator
    sequencer: Sequencer
    authority: Callable[[], AuthorityState]
    registry: Callable[[], RegistryClient]
    files: DatasetFiles
    runs: Callable[[], RunState]
    clock: Callable[[], int]

    @property
    def log_id(self) -> bytes:
        return self.authority().log_id

    def entries(self) -> Iterator[Envelope]:
        with self.database.read() as connection:
            for stored in log.entries(connection, 0, log.tree(connection).size):
                yield decode_envelope(stored.envelope)

    def granted(self) -> frozenset[str]:
        return frozenset(self.authority().grants)

    def registry_domain(self) -> ContractDomain:
        return self.registry().domain(self.log_id)

    def procedure(self, procedure_id: str, /) -> Rulebook:
        return require_in_force(self.validator.procedures().current, procedure_id, field="procedure")

    def relay(self, call: bytes, admin: TransactionSigner, /) -> None:
        registry = self.registry()
        registry.relay(sign(registry.prepare(admin.key_id, call), admin).raw)

    def submit(self, submission: bytes, /) -> LoggedEvent:
        judged = self.validator.validate(submission, self.clock() // 1000)
        answer = judged if isinstance(judged, Duplicate) else self.sequencer.submit(judged).result()
        if isinstance(answer, Receipt):
            return LoggedEvent(answer.index, answer.leaf_hash)
        return LoggedEvent(answer.entry.log_index, entry_hash(answer.entry.envelope))

    def give(self, dataset: DatasetRegistered, data: bytes, /) -> None:
        self.files.keep(dataset, data)

    def lead(self, lead_id: str, _reader: str, /) -> StreamHead | None:
        with self.database.read() as connection:
            return log.head(connection, "supervision", lead_id)

    def model_look(self) -> ModelLook:
        state = self.runs()
        return ModelLook(state.looked_at, state.took_ms)
