"""Faults of a whole case and of a model package: what only several bundles together show."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from scripts.protocol import example
from scripts.protocol.example import CASE, CASE_ENTRIES, COSIGNATURES, COSIGNED_AT, WITNESSES
from scripts.protocol.vector import NO_BUNDLE, OTHER, Patch, Vector, ledger, plain, put, whole, without

OPEN_END = (5,)


def vectors() -> list[Vector]:
    return [*_case(), *_fork(), *_custody(), *_package()]


def _swapped(list_of: str, first: int, second: int) -> tuple[Patch, ...]:
    moved = {"op": "move", "from": f"/{list_of}/{second}", "path": f"/{list_of}/{first}"}
    return (moved,)


def case(
    name: str, verdict: str, failed: tuple[int, ...] = (), unchecked: tuple[int, ...] = OPEN_END, **more: Any
) -> Vector:
    return Vector(name, verdict, failed, unchecked, of="case", **more)


def _case() -> list[Vector]:
    impossible: dict[str, Any] = {"conformity": "contradicted"}
    return [
        case("a case as it is", "intact"),
        case("a case as it is, with the log", "intact", unchecked=(), completeness="shown", with_log=True),
        case("D: the last event left out", "intact", file=without("/events/3")),
        case(
            "D: the last event left out, with the log",
            "intact",
            (5,),
            (),
            file=without("/events/3"),
            completeness="contradicted",
            with_log=True,
        ),
        case("D: a copy of another log", "intact", file=whole(_of_another_log()), with_log=True),
        case("an event left out in the middle", "tampered", (3, 4), file=without("/events/2"), **impossible),
        case("the first event left out", "tampered", (3, 4), file=without("/events/0"), **impossible),
        case("two events swapped", "tampered", (3, 4), file=_swapped("events", 0, 1), **impossible),
        case(
            "an event twice",
            "tampered",
            (3, 4),
            file=put("/events/-", plain(ledger().bundle(CASE_ENTRIES[3]))),
            **impossible,
        ),
        case(
            "an event of another stream",
            "tampered",
            (1, 3, 4),
            file=put("/events/3", plain(ledger().bundle(9))),
            **impossible,
        ),
        case("a case of another ledger", "tampered", (1,), file=put("/log_id", OTHER)),
        case("a case of another name", "tampered", (1,), file=put("/case_id", "case-7f3b")),
        case(
            "a payload withheld",
            "unverifiable",
            (),
            (2, 4, 5),
            file=without("/events/1/payload"),
            conformity="not_checked",
        ),
        case(
            "a payload edited",
            "tampered",
            (2,),
            (4, 5),
            file=put("/events/1/payload/body/description", "another"),
            conformity="not_checked",
        ),
        case("a section withheld", "intact", file=without("/events/1/sections")),
        case("an anchor left out", "not_yet_anchored", (), (2, 5), file=without("/events/1/anchor")),
        case("no proof of an index", "tampered", (1, 2), (3, 5), file=put("/events/1/proof", "x")),
        case("no events", NO_BUNDLE, file=put("/events", [])),
        case("an event that is no bundle", NO_BUNDLE, file=put("/events/1", {})),
        case("a field of a case bundle that is not listed", NO_BUNDLE, file=put("/remark", 1)),
    ]


def _of_another_log() -> Any:
    """The case of a log that has as many entries as the published one, and other ones."""
    return example.Ledger(example.entries(example.SIGNED_AT - 1)).case_bundle()


def _fork() -> list[Vector]:
    """Two notes of one log: of one tree head with other co-signatures, and of two logs that share their beginning."""
    again = example.Ledger(
        example.entries(), note=example.cosigned(ledger().checkpoint, [*COSIGNATURES, (WITNESSES[1], COSIGNED_AT)])
    )
    fork = _forked()
    last = len(fork.entries) - 1
    replaced = (*without("/events/3"), *put("/events/3", plain(fork.bundle(CASE_ENTRIES[3]))))
    return [
        case(
            "an event under another note of the same tree head",
            "intact",
            file=(*without("/events/3"), *put("/events/3", plain(again.bundle(CASE_ENTRIES[3])))),
        ),
        case("I: events of two forks", "tampered", (1,), file=(*replaced, *put("/events/-", plain(fork.bundle(last))))),
    ]


def _forked() -> example.Ledger:
    """A log of the same beginning and another last entry."""
    writer = example.Writer(example.entries()[:-1])
    writer.write(example.registration(9), CASE)
    return example.Ledger(writer.entries)


def _custody() -> list[Vector]:
    """Acts that the rules do not allow, well signed and in the log."""
    entries = example.entries()
    writer = example.Writer(entries[:-1])
    writer.write(example.registration(1), CASE)  # the id is taken
    writer.entries.append(entries[-1])
    broken = example.Ledger(writer.entries)
    indices = [index for index, entry in enumerate(broken.entries) if entry.payload.stream == CASE]
    return [
        case(
            "E: an act that the custody rules do not allow",
            "intact",
            (4,),
            file=whole(broken.case_bundle(indices)),
            conformity="contradicted",
        )
    ]


def _package() -> list[Vector]:
    def package(
        name: str, verdict: str, failed: tuple[int, ...] = (), unchecked: tuple[int, ...] = (), **more: Any
    ) -> Vector:
        return Vector(name, verdict, failed, unchecked, of="package", **more)

    again = example.Ledger(
        example.entries(), note=example.cosigned(ledger().checkpoint, [(one, COSIGNED_AT) for one in WITNESSES])
    )
    gap = _versions(1, 3)
    body = "/publications/0/payload/body"
    return [
        package("a package as it is", "intact"),
        package(
            "D: a package without its last version", "intact", file=(*without("/publications/1"), *put("/version", 1))
        ),
        package("a package of another last version", "tampered", (3,), file=put("/version", 3)),
        package("a package with a gap", "tampered", (3,), file=(*whole(gap), *put("/version", 3))),
        package("publications swapped", "tampered", (3,), file=_swapped("publications", 0, 1)),
        package("another model", "tampered", (1, 3), file=put("/model_id", "another-model")),
        package("a package of another ledger", "tampered", (1,), file=put("/log_id", OTHER)),
        package("a definition that was edited", "tampered", (2,), (3, 4), file=put(f"{body}/definition", "id: x\n")),
        package("a publication withheld", "unverifiable", (), (2, 3, 4), file=without("/publications/0/payload")),
        package("a definition with another digest, well signed", "tampered", (4,), file=whole(_misdigested())),
        package(
            "a publication under another note of the same tree head",
            "intact",
            file=(*without("/publications/0"), *put("/publications/0", plain(again.bundle(9)))),
        ),
        package(
            "I: publications of two forks",
            "tampered",
            (1,),
            file=(*without("/publications/0"), *put("/publications/0", plain(_forked().bundle(9)))),
        ),
        package("no publication", NO_BUNDLE, file=put("/publications", [])),
    ]


def _versions(*numbers: int) -> Any:
    return _published(*(example.model_version(number) for number in numbers))


def _misdigested() -> Any:
    first = example.model_version(1)
    return _published(replace(first, definition="id: another\n"), example.model_version(2))


def _published(*bodies: Any) -> Any:
    """A package of another log, in which these were published."""
    entries = example.entries()
    writer = example.Writer(entries[:9])
    for body in bodies:
        writer.write(body, example.MODEL, "p-0555")
    writer.entries.append(entries[-1])
    return example.Ledger(writer.entries).package()
