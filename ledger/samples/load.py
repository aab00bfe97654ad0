"""Load: the twelve stories, played into an empty development ledger by the people of its town.

They take the way that everything takes: keys are granted on the chain and mirrored, events are signed, judged and
sequenced, models are published, and it is the service that raises the leads. Begun and not ended, loading goes on where
it stopped; ended, it changes nothing. Story 10 leaves nothing to load: what the operator does in it no ledger records.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Struct

from ledger.chain import calls
from ledger.config.installation import DataDirectory, Installation
from ledger.config.installation import load as load_installation
from ledger.config.secret_files import read_secret, write_secret
from ledger.core.encoding.decoding import decode_json
from ledger.core.errors import Conflict, RuleRefused, Unavailable
from ledger.core.ethereum.contract_changes import ROLE_BITS
from ledger.core.events.supervision import BilingualText
from ledger.samples import deliveries, governance, persons, things
from ledger.samples.keys import TownKeys
from ledger.samples.telling import POLL, Ledger, Teller
from ledger.samples.town import AGENCIES, GRANTED_UNTIL, PEOPLE, Person, admin_of

MIRRORED_WITHIN = 120  # seconds in which the log is expected to have the keys

Story = Callable[[Teller], None]


def _granted(teller: Teller) -> None:
    """Everybody's key, by the admin of his agency."""
    missing = {person: teller.keys.key_id(person.profile) for person in PEOPLE}
    for person, key_id in missing.items():
        if key_id not in teller.ledger.granted():
            teller.ledger.relay(_grant(teller, person), teller.keys.signer(admin_of(person.agency)))
    deadline = time.monotonic() + MIRRORED_WITHIN
    while not teller.ledger.granted() >= set(missing.values()):
        if time.monotonic() > deadline:
            raise Unavailable(
                "the log does not have the keys of the town yet",
                code="keys_not_mirrored",
                hint="See /readyz for how it stands with the chain, then load again.",
            )
        time.sleep(POLL)


def _grant(teller: Teller, person: Person) -> bytes:
    key, domain = teller.keys.signer(person.profile), teller.ledger.registry_domain()
    request = calls.request_key(key, domain, agency=person.agency, officer=person.officer)
    return calls.grant_key(request, roles=ROLE_BITS[person.role], valid_from=0, valid_until=GRANTED_UNTIL)


def _nothing(teller: Teller) -> None:
    """Story 10: see above."""


def _supervised(teller: Teller) -> None:
    """What became of the findings. Models come after the cases: a run between two acts would find a case half told."""
    persons.third_return_supervised(teller)
    persons.detention_supervised(teller)
    things.judgment_supervised(teller)


PARTS: tuple[tuple[BilingualText, Story], ...] = (
    (BilingualText(zh="授予密钥", en="keys are granted"), _granted),
    (BilingualText(zh="1 顺利移送", en="1 clean run"), deliveries.clean_run),
    (BilingualText(zh="2 短少", en="2 short delivery"), deliveries.short_delivery),
    (BilingualText(zh="3 卷宗不合格", en="3 bad dossier"), deliveries.bad_dossier),
    (BilingualText(zh="4 第三次退补", en="4 third return"), persons.third_return),
    (BilingualText(zh="5 拘留后取保", en="5 detained, then bailed"), persons.detained_then_bailed),
    (BilingualText(zh="6 换押", en="6 custody of a person"), persons.custody_of_a_person),
    (BilingualText(zh="7 款物与车辆", en="7 money and a car"), things.money_and_a_car),
    (BilingualText(zh="8 手机", en="8 a phone"), things.a_phone),
    (BilingualText(zh="9 上诉与发回", en="9 appeal and remand"), persons.appeal_and_remand),
    (
        BilingualText(zh="10 运营方作弊（诚实的账本里没有）", en="10 the operator cheats (no honest ledger has it)"),
        _nothing,
    ),
    (BilingualText(zh="发布监督模型", en="models are published"), governance.publish),
    (BilingualText(zh="办理 4、5、7 的线索", en="leads of 4, 5 and 7 are worked"), _supervised),
    (BilingualText(zh="11 从导入到治理", en="11 import to governance"), governance.from_import_to_governance),
    (BilingualText(zh="12 删除与陌生人", en="12 erasure and a stranger"), things.erasure),
)


class Progress(Struct, frozen=True):
    """How far it is: ``done`` of ``of`` parts, ``events`` in all, and the part that is under way; None at the end."""

    done: int
    of: int
    events: int
    part: BilingualText | None


class _Begun(Struct, frozen=True):
    """What makes the stories the same whenever they are told again; kept before the first is."""

    began_at: int
    secret: str


def require_development(where: DataDirectory) -> TownKeys:
    """The keys of the town that this ledger was founded with.

    Raises RuleRefused ``not_development`` for any other ledger, and where it has no such keys.
    """
    installation = load_installation(where)
    keys = TownKeys.of(where)
    if installation.founding.development and keys.are_there and _is_of(installation, keys):
        return keys
    raise RuleRefused(
        "sample data is for a ledger that was founded as a development town, with the keys of its people",
        code="not_development",
        field="data_dir",
        hint="Found one in another directory: tally init --development --keep-passphrase --data-dir DIRECTORY",
    )


def _is_of(installation: Installation, keys: TownKeys) -> bool:
    admins = {one.agency_id: one.admin for one in installation.founding.agencies}
    return admins == {one.agency_id: keys.key_id(admin_of(one.agency_id)) for one in AGENCIES}


def is_begun(where: DataDirectory) -> bool:
    """Whether loading was begun here: then it may be gone on with, and nothing is told twice."""
    return _file(where).exists()


def require_empty(where: DataDirectory, ledger: Ledger) -> None:
    """Raises Conflict ``not_empty`` where the log has events of people, and loading was not begun before them."""
    if is_begun(where):
        return
    written = next((entry for entry in ledger.entries() if entry.stream.kind != "system"), None)
    if written is not None:
        raise Conflict(
            f"this ledger is in use: {written.agency} has written {written.event_type}",
            code="not_empty",
            field="data_dir",
            hint="Sample data goes into an empty ledger. Found one: tally init --development --data-dir DIRECTORY",
        )


def load(where: DataDirectory, ledger: Ledger, told: Callable[[Progress], None]) -> int:
    """Plays all parts, telling before each how far it is; gives the number of events.

    Raises what ``require_development`` and ``require_empty`` raise, and Unavailable where the service does not do its
    part in time: the same call goes on from there.
    """
    keys = require_development(where)
    require_empty(where, ledger)
    begun = _begun(where)
    teller = Teller(ledger, keys, began_at=begun.began_at, secret=begun.secret)
    return play(teller, told)


def play(teller: Teller, told: Callable[[Progress], None]) -> int:
    """All parts by this teller, whatever ledger that is of; the number of events."""
    for done, (part, tell) in enumerate(PARTS):
        told(Progress(done, len(PARTS), teller.told, part))
        tell(teller)
    told(Progress(len(PARTS), len(PARTS), teller.told, None))
    return teller.told


def _begun(where: DataDirectory) -> _Begun:
    if not is_begun(where):
        fresh = _Begun(int(time.time()), secrets.token_hex(16))
        write_secret(_file(where), msgspec.json.encode(fresh), field="data_dir")
    return decode_json(read_secret(_file(where), field="data_dir"), _Begun)


def _file(where: DataDirectory) -> Path:
    return where.path / "sample.json"
