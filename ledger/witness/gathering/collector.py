"""The collector: sends each newly published checkpoint to every witness while the service runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from dataclasses import KW_ONLY, dataclass, field
from threading import Event

import httpx
from msgspec import Struct

from ledger.core.errors import IntegrityBroken, TallystickError
from ledger.core.log import merkle
from ledger.core.log.checkpoints import verify_cosignatures
from ledger.core.log.merkle import Hash
from ledger.core.log.notes import NoteSignature, SignedNote, VerifyingKey, parse_note, parse_vkey
from ledger.core.log.policy import Policy
from ledger.core.log.tiles import TileNodes
from ledger.core.log.witness_protocol import AddCheckpoint, AddEntries
from ledger.core.messages import Message
from ledger.loggers import get_logger
from ledger.store import checkpoints, log
from ledger.store.checkpoints import PublishedCheckpoint
from ledger.store.database import Database
from ledger.witness.gathering.witnesses import (
    NotCosigned,
    OtherHistory,
    OtherSize,
    Refusals,
    Witness,
    add_checkpoint,
    add_entries,
    new_client,
    own_lines,
    require_all,
)

LOOK_EVERY_S = 0.2  # seconds between checks for a newly published checkpoint
LONGEST_PAUSE_S = 30.0
SIZES_TRIED = 3  # of one checkpoint: the witness answers with its own size, which another request may change meanwhile
KEPT_MS = 3_600_000  # milliseconds for which co-signatures of unanchored checkpoints are kept
TIDY_EVERY_S = 600.0

_HINT = (
    "The log's history was changed, or a backup was restored and written on: tally audit. Where the witness is at "
    "fault, take it out of witnesses.toml and start the service again."
)

logger = get_logger(__name__)


class WitnessAhead(IntegrityBroken):
    """A witness has co-signed more of this log than the database has: it was rolled back, or the log was forked."""

    code = "witness_ahead"


class WitnessState(Struct, frozen=True):
    """The state of a witness.

    ``size`` is the largest that it has co-signed, ``fault`` the reason why it has not co-signed a newer one,
    ``heard_at`` its last answer in unix milliseconds, None since the service started. ``url`` is where it is asked,
    ``account`` that of the contract, None of a foreign witness.
    """

    name: str
    size: int
    fault: str | None = None
    heard_at: int | None = None
    url: str = ""
    account: str | None = None


class _Course(Struct):
    """What is known of one witness."""

    size: int
    is_heard: bool = False  # since the service started: its tree was held against this log's
    heard_at: int | None = None  # unix milliseconds


@dataclass(eq=False, repr=False)
class CosignatureCollector:
    """Asks in a thread of its own.

    ``policy`` gives the trust file's; ``halt`` is called when nothing may be written any more; ``clock`` gives unix
    milliseconds.
    """

    database: Database
    witnesses: Callable[[], tuple[Witness, ...]]
    _: KW_ONLY
    policy: Callable[[], Policy]
    halt: Callable[[TallystickError], object]
    clock: Callable[[], int]
    _courses: dict[Witness, _Course] = field(default_factory=dict, init=False)
    _tidied_at: float = field(default=-TIDY_EVERY_S, init=False)
    defect: str | None = field(default=None, init=False)  # why nobody is asked, where nobody foresaw it
    has_looked: Event = field(default_factory=Event, init=False)  # once every witness was heard or failed to answer

    def __post_init__(self) -> None:
        self._refusals = Refusals("witness did not co-sign", LONGEST_PAUSE_S)

    def states(self) -> list[WitnessState]:
        """Return the states of all witnesses that are configured now."""
        courses = [(witness, self._courses.get(witness, _Course(0))) for witness in self.witnesses()]
        return [
            WitnessState(
                witness.name,
                course.size,
                self.defect or self._refusals.reason(witness),
                course.heard_at,
                witness.url,
                witness.account,
            )
            for witness, course in courses
        ]

    def failing_s(self) -> dict[str, float]:
        """Return for how many seconds each witness, by name, has not co-signed whenever it was asked."""
        return {witness.name: self._refusals.lasted_s(witness) for witness in self.witnesses()}

    def run(self, stop: Event) -> None:
        """Ask until ``stop`` is set."""
        asyncio.run(self._run(stop))

    def step(self) -> None:
        """Ask each witness that is due once, and wait for all answers."""
        asyncio.run(self._step())

    async def _step(self) -> None:
        async with new_client() as client:
            published, due = await asyncio.to_thread(self._due)
            if published is not None:
                await asyncio.gather(*(self._serve(client, witness, published) for witness in due))
        self._tell_of_first_look(published)

    async def _run(self, stop: Event) -> None:
        """Ask in tasks, so that a witness that does not answer delays no other."""
        asking: dict[Witness, asyncio.Task[None]] = {}
        async with new_client() as client:
            while not stop.is_set():
                asking = {witness: task for witness, task in asking.items() if not task.done()}
                try:
                    published, due = await asyncio.to_thread(self._due)
                    self._tell_of_first_look(published)
                    for witness in due:
                        if published is not None and witness not in asking:
                            asking[witness] = asyncio.create_task(self._serve(client, witness, published))
                    await asyncio.to_thread(self._tidy)
                    self.defect = None
                except TallystickError as error:
                    logger.warning("witnesses cannot be asked", reason=error.for_operator)
                except Exception as error:
                    logger.exception("witnesses cannot be asked for a reason that nobody foresaw")
                    self.defect = f"witnesses cannot be asked ({type(error).__name__})"
                if asking or not self.has_looked.is_set():
                    await asyncio.sleep(LOOK_EVERY_S)
                else:
                    await asyncio.to_thread(self.database.activity.pause, stop, LOOK_EVERY_S)
            for task in asking.values():
                task.cancel()
            await asyncio.gather(*asking.values(), return_exceptions=True)

    def _tell_of_first_look(self, published: PublishedCheckpoint | None) -> None:
        answered = (self._course(witness).is_heard or self._refusals.reason(witness) for witness in self.witnesses())
        if published is None or all(answered):
            self.has_looked.set()

    def _due(self) -> tuple[PublishedCheckpoint | None, list[Witness]]:
        """Return the newest checkpoint, and the witnesses that have not signed it and need not pause now.

        A witness that was not heard since the start is asked even if it has signed it: it may know what this database
        lost.
        """
        with self.database.read() as connection:
            published = checkpoints.last_published(connection)
            for witness in self.witnesses():
                if witness not in self._courses:
                    sizes = [checkpoints.size_cosigned_by(connection, vkey) for vkey in witness.vkeys]
                    self._courses[witness] = _Course(min(sizes))
        if published is None or published.size == 0:
            return None, []
        courses = [(witness, self._course(witness)) for witness in self.witnesses()]
        return published, [
            witness
            for witness, course in courses
            if (not course.is_heard or course.size < published.size) and self._refusals.may_be_asked(witness)
        ]

    async def _serve(self, client: httpx.AsyncClient, witness: Witness, published: PublishedCheckpoint) -> None:
        """Ask one witness for one checkpoint; errors affect only this witness."""
        course = self._course(witness)
        try:
            await self._ask(client, witness, published)
        except WitnessAhead as error:
            logger.error("the log was rolled back or forked", witness=witness.name, reason=error.for_operator)  # noqa: TRY400
            self.halt(error)
            course.is_heard = True
            self._refusals.add(witness, error.text)
        except TallystickError as error:
            self._refusals.add(witness, error.text)
        except Exception as error:
            logger.exception("witness not asked for a reason that nobody foresaw", witness=witness.name)
            self._refusals.add(witness, Message("it cannot be asked ({error})", error=type(error).__name__))
        else:
            if self._refusals.reason(witness) is not None:
                logger.info("witness co-signs again", witness=witness.name, size=published.size)
            self._refusals.remove(witness)
            course.heard_at = self.clock()

    async def _ask(self, client: httpx.AsyncClient, witness: Witness, published: PublishedCheckpoint) -> None:
        """Have the checkpoint co-signed from the size that the witness has. Raises NotCosigned, WitnessAhead."""
        course = self._course(witness)
        for _ in range(SIZES_TRIED):
            old_size = min(course.size, published.size)
            proof = await asyncio.to_thread(self._proof, old_size, published.size)
            try:
                request = AddCheckpoint(old_size, proof, log_signed(published.note))
                lines = await add_checkpoint(client, witness.url, request)
            except OtherHistory as error:
                if old_size == published.size:
                    raise _other_root(witness, old_size) from error
                raise WitnessAhead(
                    "the witness {witness.name} has seen another history of this log below size {old_size}",
                    witness=witness,
                    old_size=old_size,
                    hint=_HINT,
                ) from error
            except OtherSize as error:
                await asyncio.to_thread(self._require_behind, witness, error.size, old_size, published.size)
                course.size = error.size
                if error.size > published.size:
                    return  # more was published since, perhaps by another process: the next step asks for that
                continue
            course.is_heard = True
            signed = await asyncio.to_thread(self._keep, witness.keys, published, lines)
            if witness.mirror is not None:
                # No entry is uploaded: a mirror that a witness is has them before it co-signs.
                wanted = AddEntries(published.note.partition("\n")[0], published.size, published.size)
                of_mirror = await add_entries(client, witness.url, wanted)
                await asyncio.to_thread(self._keep, (witness.mirror,), published, of_mirror)
            course.size = published.size
            require_all(signed, witness.keys)
            return
        raise NotCosigned("the witness tells another size each time it is asked")

    def _proof(self, old_size: int, size: int) -> tuple[Hash, ...]:
        if old_size in (0, size):
            return ()
        with self.database.read() as connection:
            return merkle.consistency_proof(old_size, size, TileNodes(size, log.tile_reader(connection)))

    def _require_behind(self, witness: Witness, witness_size: int, old_size: int, published: int) -> None:
        """Raise WitnessAhead if the witness's size is one that this log never had."""
        with self.database.read() as connection:
            size = log.tree(connection).size
        if witness_size > size:
            raise WitnessAhead(
                "the witness {witness.name} has seen {witness_size} entries of this log, which has {size}",
                witness=witness,
                witness_size=witness_size,
                size=size,
                hint="The database was rolled back. Restore the newest backup; write nothing before. Where the witness "
                "is at fault, take it out of witnesses.toml and start the service again.",
            )
        if witness_size == old_size == published:
            raise _other_root(witness, witness_size)

    def _keep(
        self, keys: tuple[VerifyingKey, ...], published: PublishedCheckpoint, lines: tuple[NoteSignature, ...]
    ) -> Collection[VerifyingKey]:
        """Store the verified lines by these keys; return the keys that signed. Raises NotCosigned, as ``own_lines``."""
        policy, text = self.policy(), parse_note(published.note).text
        signed = own_lines(lines, keys, text, verify_cosignatures)
        for key, line in signed.items():
            checkpoints.store_cosignature(
                self.database,
                published.size,
                key.vkey(),
                line.line(),
                is_enough=lambda vkeys: policy.asks_for_witnesses and policy.is_met_by(map(parse_vkey, vkeys)),
            )
        return signed

    def _course(self, witness: Witness) -> _Course:
        return self._courses.setdefault(witness, _Course(0))

    def _tidy(self) -> None:
        if time.monotonic() - self._tidied_at >= TIDY_EVERY_S:
            self._tidied_at = time.monotonic()
            checkpoints.forget_cosignatures(self.database, self.clock() - KEPT_MS)


def _other_root(witness: Witness, size: int) -> WitnessAhead:
    return WitnessAhead(
        "the witness {witness.name} has seen another root of this log at size {size}",
        witness=witness,
        size=size,
        hint=_HINT,
    )


def log_signed(note: str) -> str:
    """Return the note with the log's signature alone, as it is sent to witnesses."""
    whole = parse_note(note)
    return str(SignedNote(whole.text, whole.signatures[:1]))
