"""Help that no single command owns: options that mean the same in all commands, and examples."""

from __future__ import annotations

from typing import Final

# By the name of the parameter; an option's own help goes before.
OPTIONS: Final[dict[str, str]] = {
    "account": "Number of the account, of money in a bank.",
    "business_line": "Business line of the case.",
    "condition": "What it looks like, in words.",
    "decided_at": "When it was decided.",
    "department": "Department of your agency that it goes to.",
    "disposed_at": "When it was done.",
    "dossier_complete": "Whether the dossier is complete.",
    "due_at": "Until when.",
    "effective_at": "When it takes effect, if not when it was decided.",
    "encoding": "Encoding of the file.",
    "ended_at": "When it ended.",
    "exhibit_number": "Number on the label.",
    "explanation": "The reason, in words.",
    "finding": "What was found, in words.",
    "ground": "Why, in words.",
    "happened_at": "When it happened.",
    "item_kind": "What it is.",
    "jurisdiction": "Whether the receiver has jurisdiction.",
    "method": "How it was done.",
    "person_and_measure": "Whether the person is here, under the measure that was told.",
    "property_matches_list": "Whether the property is what the list says.",
    "purpose": "What it is handed over for.",
    "quantity": "How many, or how much of which unit.",
    "reason_code": "The reason, by its code.",
    "recipient": "Who gets it.",
    "relation": "How the cases belong together.",
    "remark": "Anything else, in words.",
    "remedy": "What the other side is to do.",
    "seal_number": "Number of the seal.",
    "seal_state": "How the seal was found.",
    "seized_at": "When it was seized.",
    "served_at": "When it was served.",
    "stage": "Stage that the case is at.",
    "started_at": "When it began.",
    "storage_location": "Where it lies.",
    "to_officer": "Officer who takes it.",
    "within_time": "Whether it came in time.",
}

# Options that may tell of persons at length, and may come from a file.
IN_WORDS: Final = frozenset(
    (
        *("answer", "because", "condition", "description", "expected", "explanation", "finding", "found", "ground"),
        *("note", "recipient", "remark", "summary"),
    )
)

# By the command's words.
EXAMPLES: Final[dict[str, tuple[str, ...]]] = {
    "init": ("tally init --founding founding.toml", "tally init --development --keep-passphrase --data-dir town"),
    "serve": ("tally serve --data-dir town",),
    "signer": ("tally --profile court signer",),
    "profile add": (
        "tally profile add court --url http://127.0.0.1:8420 --agency court-east --officer c-0007 --key court",
    ),
    "key passphrase": (
        "tally key passphrase court",
        "tally key passphrase --key-dir tallystick-data/keys --keep-passphrase",
    ),
    "key new": ("tally key new court", "tally key new court --passphrase-file passphrase"),
    "key request": ("tally --profile court key request -o c-0007.json",),
    "key grant": (
        "tally --profile admin-court key grant c-0007.json --role recorder --until 2035-01-01T00:00:00Z",
        "tally --profile admin-court key grant 0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a"
        " --officer c-0007 --role recorder --until 2035-01-01T00:00:00Z",
    ),
    "case open": ("tally case open --case-id case-1 --number 2026-118 --type theft",),
    "item register": (
        'tally item register case-1 "telephone, screen cracked" --seal-number S-1003 --file phone.png',
        'tally item register case-1 "cash" --kind property --money 1200.50',
    ),
    "handover offer": (
        "tally handover offer case-1 court-east --purpose public_prosecution --item phone-1",
        "tally handover offer case-1 court-east --purpose public_prosecution --all-items",
    ),
    "handover accept": (
        'tally handover accept case-1 handover-1 --received-at "2026-03-01 16:30" --all-as-listed',
        'tally handover accept case-1 handover-1 --received-at "2026-03-01 16:30" --all-as-listed'
        " --except knife-1=seal_broken",
    ),
    "handover refuse": (
        'tally handover refuse case-1 handover-1 --reason binding_defective --remedy rebind --explanation "volume 2"',
    ),
    "search": ("tally search S-1003", "tally search --file phone.png"),
    "evidence hash": ("tally evidence hash photos/*.png",),
    "evidence seal": ("tally evidence seal photos photos-bag --case case-1 --item-id photos-1",),
    "import run": ("tally import run cases.csv --mapping mapping.toml",),
    "model test": ("tally model test same-seal", "tally model test own.yaml"),
    "model run": ("tally --profile analyst model run own.yaml",),
    "lead confirm": ('tally lead confirm lead-... --finding "the list has one seal twice" --material list.pdf',),
    "report": ("tally report --from 2026-01-01 --until 2026-06-30 --output report.pdf",),
    "proof get": ("tally proof get --case case-1 --output case-1.json",),
    "proof check": (
        "tally proof check case-1.json --trust trust.json",
        "tally proof check case-1.json --trust trust.json --rpc http://127.0.0.1:8545",
    ),
    "proof certificate": ("tally proof certificate bundle.json --trust trust.json --output certificate.pdf",),
    "log trust": ("tally log trust --block-of case-1.json --output trust.json",),
    "audit": ("tally audit", "tally audit case-1"),
    "correlate": ("tally correlate seal:S-1003", "tally correlate case:case-1 --depth 2"),
}
