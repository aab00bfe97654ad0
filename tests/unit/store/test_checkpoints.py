"""Published checkpoints and what lies under them, on both databases."""

from __future__ import annotations

from collections.abc import Iterable

from ledger.store import checkpoints
from ledger.store.checkpoints import PublishedCheckpoint
from ledger.store.database import Database


def published(database: Database, *sizes: int) -> None:
    for size in sizes:
        assert checkpoints.store(database, PublishedCheckpoint(size, f"note {size}\n", size * 1000))


def cosigned(database: Database, size: int, *witnesses: str, quorum: int = 2) -> None:
    def is_enough(cosigners: Iterable[str]) -> bool:
        return len(list(cosigners)) >= quorum

    for witness in witnesses:
        checkpoints.store_cosignature(database, size, witness, f"{witness} {size}\n", is_enough=is_enough)


def test_lines_of_witnesses_stand_under_the_note_in_the_order_of_their_keys(database: Database) -> None:
    """However they came; the first line of a witness stays."""
    published(database, 3, 5)
    cosigned(database, 5, "w2", "w1")
    checkpoints.store_cosignature(database, 5, "w1", "later\n", is_enough=lambda _: True)
    with database.read() as connection:
        assert checkpoints.last_published(connection) == PublishedCheckpoint(5, "note 5\nw1 5\nw2 5\n", 5000)
        assert checkpoints.published_at_size(connection, 3) == PublishedCheckpoint(3, "note 3\n", 3000)
        assert checkpoints.all_published(connection) == [
            PublishedCheckpoint(3, "note 3\n", 3000),
            PublishedCheckpoint(5, "note 5\nw1 5\nw2 5\n", 5000),
        ]


def test_the_newest_with_a_quorum_is_the_witnessed_one(database: Database) -> None:
    """A newer one that lacks a signature is not."""
    published(database, 3, 5, 8)
    with database.read() as connection:
        assert checkpoints.last_witnessed(connection) is None
        assert checkpoints.size_cosigned_by(connection, "w1") == 0
    cosigned(database, 3, "w1", "w2")
    cosigned(database, 5, "w1", "w2")
    cosigned(database, 8, "w1")
    with database.read() as connection:
        witnessed = checkpoints.last_witnessed(connection)
        assert witnessed is not None
        assert witnessed.size == 5
        assert list(checkpoints.cosigned_sizes(connection, 3)) == [(8, ["w1"]), (5, ["w1", "w2"])]
        assert checkpoints.size_cosigned_by(connection, "w1") == 8


def test_what_everybody_is_shown_never_goes_back(database: Database) -> None:
    """The newest until a quorum is reached, perhaps on an older one; then that one, until a newer one has a quorum."""

    def served() -> int:
        with database.read() as connection:
            checkpoint = checkpoints.last_served(connection, asks_for_witnesses=True)
        assert checkpoint is not None
        return checkpoint.size

    published(database, 3, 5, 8)
    shown = [served()]
    for size in (3, 5, 9, 10):
        if size > 8:
            published(database, size)
            shown.append(served())
        if size < 10:
            cosigned(database, size, "w1", "w2")
            shown.append(served())
    assert shown == [8, 8, 8, 8, 9, 9]
    with database.read() as connection:
        newest = checkpoints.last_served(connection, asks_for_witnesses=False)
    assert newest is not None
    assert newest.size == 10


def test_old_lines_are_let_go_but_for_the_newest_witnessed(database: Database) -> None:
    """What lies under the newest with a quorum, and above it, is kept whatever its age."""
    published(database, 3, 5, 8)
    for size in (3, 5):
        cosigned(database, size, "w1", "w2")
    cosigned(database, 8, "w1")
    checkpoints.forget_cosignatures(database, 10**9)
    with database.read() as connection:
        assert [size for size, _ in checkpoints.cosigned_sizes(connection, 0)] == [8, 5]
