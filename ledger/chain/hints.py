"""What to do about a refusal of the contracts, by their name of it."""

from __future__ import annotations

HINT_OF_SILENCE = "It may be a contract of another version: tally doctor tells."
HINTS = {
    "NotAdmin": "Sign with the key of an agency's admin; /api/v1/agencies names them.",
    "NotProposedAdmin": "The admin in office proposes the new one first, who accepts with the key that was proposed.",
    "SlugMalformed": "An agency's id has 1 to 31 characters of a-z, 0-9 and hyphens, no hyphen at either end.",
    "AgencyUnknown": "/api/v1/agencies lists the agencies; a majority of them admits another.",
    "AgencyTaken": "Choose another id, or leave it: the agency is admitted.",
    "AccountRefused": "Name an account that the agency does not have in this part already.",
    "KeyTaken": "A key is granted once in its life: make a new one and grant that.",
    "KeyUnproven": "Ask the key's holder for a request of this very agency and officer: tally key request.",
    "NotYourKey": "Ask the agency that granted the key.",
    "KeyRevokedBefore": "What was revoked stays so: make a new key and grant that.",
    "RolesRefused": "Name at least one of the roles that this ledger knows.",
    "PeriodRefused": "The period begins before it ends, both in unix seconds.",
    "WitnessUnknown": "/api/v1/agencies names the agencies that have a witness.",
    "QuorumAboveWitnesses": "Set witnesses first, or ask for fewer.",
    "QuorumZero": "Outside development anchors need a witness at least.",
    "ApprovalRefused": "Ask for the approvals again: each is for one change and one number of a decision.",
    "MajorityMissing": "Gather the approvals of more than half of the agencies' admins.",
    "NotSubmitter": "A majority of the agencies sets this service's account as a submitter.",
    "NotWitness": "A witness signs this very anchor, with the key that the registry has of it.",
    "QuorumMissing": "Ask more witnesses to co-sign.",
    "RegistryHashStale": "The log mirrors the registry first; it is tried again.",
    "HeadMoved": "Another process has anchored; it is tried again.",
}
