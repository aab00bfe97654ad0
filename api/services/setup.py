"""What the ledger and each of its agencies still lack before officers can work, and the command that provides it.

All of it follows from what the service shows everybody. Each command is for one machine: the operator's, that of an
agency's admin, an officer's, or that of an agency's witness.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final, Literal, NamedTuple
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import asdict, replace

from api.services.service import Service
from ledger.anchoring.anchors import last_size
from ledger.chain.journal import WriteState
from ledger.core.events.terms import Role
from ledger.core.messages import Message
from ledger.core.procedure.jurisdiction import may_supervise
from ledger.core.signing.authority import Agency, Grant
from ledger.core.trust.trust_renewal import trust_digest
from ledger.i18n import Labels
from ledger.store import log
from ledger.store.chain_journal import DatabaseJournal
from ledger.witness.gathering.collector import WitnessState

Machine = Literal["operator", "admin", "officer", "witness"]
StepState = Literal["done", "missing", "waits", "optional", "elsewhere"]
YEARS_GRANTED = 3  # from this year's end on, in the command that grants a key
OFFICERS_NAMED = 5  # of a role

# Commands by machine; ``{...}`` are the fields of ``CommandValues``.
Commands = tuple[tuple[Machine, str], ...]
NEW_ADMIN: Commands = (
    ("admin", "tally profile add admin --url {url} --agency {agency} --officer admin --key admin"),
    ("admin", "tally --profile admin log trust --pin"),
)
ASK_FOR_GRANT: Commands = (
    ("officer", "tally key new {officer}"),
    ("officer", "tally profile add {officer} --url {url} --agency {agency} --officer {officer} --key {officer}"),
    ("officer", "tally --profile {officer} key request -o {agency}-{officer}.json"),
)
GRANT: Commands = (("admin", "tally --profile admin key grant {agency}-{officer}.json --role {role} --until {until}"),)
SIGN: Commands = (("officer", "tally --profile {officer} signer"),)
PIN_TRUST: Commands = (
    ("admin", "tally --profile admin log trust --pin"),
    ("officer", "tally --profile {officer} log trust --pin"),
)
NEW_WITNESS: Commands = (
    ("witness", "tally witness key {agency}/w1 --keep-passphrase"),
    ("admin", "tally --profile admin registry propose witness {agency} ACCOUNT -o witness-{agency}.json"),
    ("admin", "tally --profile admin registry approve witness-{agency}.json -o approval.json"),
    ("admin", "tally --profile admin registry send witness-{agency}.json --approval approval.json"),
)
NAME_WITNESS: Commands = (
    ("witness", "tally key list --key-dir tallystick-witness/keys"),
    ("operator", '[[witnesses]]\nurl = "https://WITNESS"\naccount = "{account}"\nverifier_keys = ["VERIFIER_KEY"]'),
)
# The trust file comes from people and not from the service that it is to check, and is never replaced: a witness that
# stopped at a fork would otherwise be made to follow the other tree.
RUN_WITNESS: Commands = (
    ("witness", "sha256sum trust.json"),
    ("witness", "test -e tallystick-witness/trust.json || cp trust.json tallystick-witness/"),
    ("witness", "tally witness run --log {url} --rpc {node} --listen {listen}"),
    ("witness", "tally witness status"),
)
# For a witness that has co-signed, and so has its trust file.
LOOK_AT_WITNESS: Commands = (
    ("witness", "tally witness status"),
    ("witness", "tally witness alarms"),
    RUN_WITNESS[2],
)
ADOPT: Commands = (("admin", "tally --profile admin procedure adopt FOLDER -o procedure.json"),)
DIAGNOSE: Commands = (("operator", "tally doctor --data-dir {data_dir}"),)


class CommandValues(Struct, frozen=True):
    """What is filled into commands. What is not known stands there in capitals, for whoever types it."""

    url: str
    data_dir: str
    until: str
    agency: str = "AGENCY"
    officer: str = "SERVICE_NUMBER"
    role: Role = "clerk"
    account: str = "ACCOUNT"
    node: str = "http://127.0.0.1:8545"
    listen: str = "127.0.0.1:8430"


class MachineCommand(Struct, frozen=True):
    """A command, and the machine on which it is typed, None if that is the reader's own."""

    machine: Machine | None
    command: str


class SetupStep(Struct, frozen=True):
    """One thing that is there or missing. ``title`` and ``says`` are in the reader's language.

    ``elsewhere``: the service cannot see it, each machine can. ``machine`` is whose turn it is, None if nobody's.
    """

    step: str
    title: str
    state: StepState
    says: str
    machine: Machine | None = None
    commands: tuple[MachineCommand, ...] = ()


class AgencySetup(Struct, frozen=True):
    """The steps of one agency."""

    agency_id: str
    steps: tuple[SetupStep, ...]

    @property
    def open_steps(self) -> int:
        """Return how many steps somebody must still take."""
        return sum(step.state in ("missing", "waits") for step in self.steps)


class LedgerSetup(Struct, frozen=True):
    """The steps of the ledger as a whole, and those of each agency by its id."""

    steps: tuple[SetupStep, ...]
    agencies: tuple[AgencySetup, ...]


def command_values(service: Service, agency: str | None = None, officer: str | None = None) -> CommandValues:
    """Return what commands for an agency, and for an officer of it, are filled with."""
    settings = service.parts.settings
    year = datetime.fromtimestamp(service.parts.clock() // 1000, UTC).year + YEARS_GRANTED + 1
    values = CommandValues(url=settings.url, data_dir=settings.data_dir.name or ".", until=f"{year}-01-01")
    if settings.embedded_chain_port:
        values = replace(values, node=f"http://127.0.0.1:{settings.embedded_chain_port}")
    return replace(values, agency=agency or values.agency, officer=officer or values.officer)


def filled(commands: Iterable[tuple[Machine | None, str]], values: CommandValues) -> tuple[MachineCommand, ...]:
    """Return the commands with the values filled in."""
    return tuple(MachineCommand(machine, text.format(**asdict(values))) for machine, text in commands)


def ledger_setup(service: Service, labels: Labels, *, officer: str | None) -> LedgerSetup:
    """Return what is there and what is missing now. Commands that make a key are for ``officer``."""
    with service.parts.database.read() as connection:
        service.uses.read_on(connection)
    return _Look(service, labels, officer).setup()


class _Todo(NamedTuple):
    """Whose turn it is, and the commands for it."""

    machine: Machine
    commands: Commands
    values: CommandValues


TITLES: Final[dict[str, str]] = {
    "chain": Message("The chain answers"),
    "founded": Message("The ledger is founded"),
    "procedure": Message("A procedure is adopted"),
    "quorum": Message("Enough witnesses co-sign"),
    "anchored": Message("The log is anchored"),
    "admitted": Message("The agency is in the log"),
    "admin": Message("Its admin grants keys"),
    "clerk": Message("A clerk has a key"),
    "supervisor": Message("A supervisor has a key"),
    "auditor": Message("An auditor has a key"),
    "analyst": Message("An analyst has a key"),
    "signing": Message("A clerk signs"),
    "witness": Message("Its witness co-signs"),
    "trust": Message("Its machines have the trust file"),
    "covered": Message("Its keys are anchored"),
}


class _Look:
    """One look at the ledger, put into words of one language."""

    def __init__(self, service: Service, labels: Labels, officer: str | None):
        parts = service.parts
        self._service, self._labels = service, labels
        self._officer = officer
        self._authority = service.parts.authority()
        self._granted: defaultdict[str, list[Grant]] = defaultdict(list)
        for grant in self._authority.grants.values():
            self._granted[grant.agency_id].append(grant)
        self._now = parts.clock() // 1000
        self._final = last_size(DatabaseJournal(parts.database).last_anchor(WriteState.CONFIRMED))
        self._witnesses = {state.account: state for state in parts.collector.states() if state.account}
        with parts.database.read() as connection:
            self._size = log.tree(connection).size

    def setup(self) -> LedgerSetup:
        agencies = sorted(self._authority.agencies.values(), key=lambda agency: agency.agency_id)
        setups = tuple(AgencySetup(agency.agency_id, tuple(self._of_agency(agency))) for agency in agencies)
        return LedgerSetup(tuple(self._of_ledger()), setups)

    def _step(self, step: str, state: StepState, says: str, todo: _Todo | None = None) -> SetupStep:
        translate = self._labels.translate
        if todo is None and state != "done":
            todo = self._operators
        machine = todo.machine if todo and state != "done" else None
        commands = filled(todo.commands, todo.values) if todo else ()
        return SetupStep(step, translate(TITLES[step]), state, translate(says), machine, commands)

    @property
    def _operators(self) -> _Todo:
        """Return what the operator does where the service itself should have provided it."""
        return _Todo("operator", DIAGNOSE, command_values(self._service))

    # -- the ledger ----------------------------------------------------------------------------------------------------

    def _of_ledger(self) -> Iterator[SetupStep]:
        authority, chain = self._authority, self._service.parts.chain_worker.state
        if chain.fault is not None:
            yield self._step("chain", "missing", chain.fault)
        elif not chain.connected:
            says = Message("The service connects to it, and deploys the contracts if there are none.")
            yield self._step("chain", "waits", says)
        else:
            yield self._step("chain", "done", Message("The service follows it."))
        if count := len(authority.agencies):
            yield self._step("founded", "done", Message("Agencies in the log: {count}.", count=count))
        else:
            says = Message("The founding agencies come into the log by themselves once the chain answers.")
            yield self._step("founded", "waits", says)
        if books := self._service.parts.validator.procedures_in_force():
            titles = (f"{self._labels.in_language(book.procedure.title)} {book.procedure.version}" for book in books)
            yield self._step("procedure", "done", ", ".join(sorted(titles)))
        else:
            says = Message(
                "Without one no case can be opened: one is published, and a majority of the agencies adopts it."
            )
            todo = _Todo("admin", ADOPT, command_values(self._service))
            yield self._step("procedure", "missing", says, todo)
        yield self._quorum()
        says = Message("Entries under a final anchor: {final} of {size}.", final=self._final, size=self._size)
        yield self._step("anchored", "done" if self._final else "waits", says)

    def _quorum(self) -> SetupStep:
        if not (quorum := self._authority.quorum):
            says = Message("None is asked for: nobody but the operator vouches for what is anchored.")
            return self._step("quorum", "done", says)
        registered = {agency.witness for agency in self._authority.agencies.values()}
        count = sum(_signs(state) for account, state in self._witnesses.items() if account in registered)
        says = Message("Co-signing: {count}, needed: {quorum}.", count=count, quorum=quorum)
        return self._step("quorum", "done" if count >= quorum else "missing", says)

    # -- an agency -----------------------------------------------------------------------------------------------------

    def _of_agency(self, agency: Agency) -> Iterator[SetupStep]:
        granted = self._granted[agency.agency_id]
        held = self._authority.valid_grants(agency.agency_id, self._now)
        values = command_values(self._service, agency.agency_id, self._officer)
        kind = self._labels.of("agency_kind", agency.kind)
        says = Message("Entry {index}, as {kind}.", index=agency.index, kind=kind)
        yield self._step("admitted", "done", says)
        if granted:
            says = Message("Keys that it has granted: {count}.", count=len(granted))
        else:
            says = Message("It is the key {account}, and has granted none yet.", account=agency.admin)
        yield self._step("admin", "done" if granted else "missing", says, _Todo("admin", NEW_ADMIN, values))
        supervising: tuple[Role, ...] = ("analyst",) if may_supervise(agency) else ()
        for role in ("clerk", "supervisor", "auditor", *supervising):
            yield self._role_held(role, held, values)
        yield self._signing([grant for grant in held if "clerk" in grant.roles], values)
        yield self._witness(agency, values)
        says = Message(
            "Each machine keeps its own, and compares its digest with what the other agencies have: {digest}",
            digest=trust_digest(self._service.parts.trust.trust),
        )
        own = replace(values, officer=self._officer or next((grant.officer for grant in held), values.officer))
        yield self._step("trust", "elsewhere", says, _Todo("officer", PIN_TRUST, own))
        newest = max((agency.index, *(grant.granted for grant in granted)))
        if newest < self._final:
            says = Message("Its newest change, entry {index}, is under a final anchor.", index=newest)
            yield self._step("covered", "done", says)
        else:
            says = Message("Its newest change, entry {index}, waits for the next anchor.", index=newest)
            yield self._step("covered", "waits", says)

    def _role_held(self, role: Role, held: Iterable[Grant], values: CommandValues) -> SetupStep:
        """Return whether an officer has a key with the role. Cases wait for a clerk, and for nobody else."""
        officers = sorted({grant.officer for grant in held if role in grant.roles})
        todo = _Todo("officer", (*ASK_FOR_GRANT, *GRANT), replace(values, role=role))
        if officers:
            return self._step(role, "done", ", ".join(officers[:OFFICERS_NAMED]), todo)
        if role == "clerk":
            says = Message(
                "An officer makes a key and a file that asks for its grant; the admin grants it by that file."
            )
            return self._step(role, "missing", says, todo)
        return self._step(role, "optional", Message("None has. Cases go on without one."), todo)

    def _signing(self, clerks: list[Grant], values: CommandValues) -> SetupStep:
        if count := sum(self._service.uses.count(grant.key_id) for grant in clerks):
            return self._step("signing", "done", Message("Events that clerks have signed: {count}.", count=count))
        if not clerks:
            says = Message("It comes after the clerk's key.")
            return self._step("signing", "waits", says, _Todo("officer", SIGN, values))
        says = Message("None has yet. A clerk starts the signer, and signs in to the console.")
        return self._step(
            "signing", "missing", says, _Todo("officer", SIGN, replace(values, officer=clerks[0].officer))
        )

    def _witness(self, agency: Agency, values: CommandValues) -> SetupStep:
        if agency.witness is None:
            says = Message("It has none. It may run one; a majority of the agencies decides that it counts.")
            return self._step("witness", "optional", says, _Todo("witness", NEW_WITNESS, values))
        state = self._witnesses.get(agency.witness)
        if state is None:
            says = Message("The service does not know where it is reached: it must stand in witnesses.toml.")
            todo = _Todo("operator", NAME_WITNESS, replace(values, account=agency.witness))
            return self._step("witness", "missing", says, todo)
        commands = LOOK_AT_WITNESS if state.size else RUN_WITNESS
        todo = _Todo("witness", commands, replace(values, listen=_listened_at(state.url) or values.listen))
        if _signs(state):
            says = Message("Entries that it has co-signed: {size} of {entries}.", size=state.size, entries=self._size)
            return self._step("witness", "done", says, todo)
        return self._step("witness", "missing", state.fault or Message("It has not answered yet."), todo)


def _signs(state: WitnessState) -> bool:
    """Return whether a witness has co-signed since the service started, and not refused to since."""
    return state.fault is None and state.heard_at is not None and state.size > 0


def _listened_at(url: str) -> str | None:
    """Return host and port of a witness that is reached without TLS: then it is the process itself that listens."""
    parts = urlsplit(url)
    return parts.netloc if parts.scheme == "http" and parts.port else None
