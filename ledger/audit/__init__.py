"""Audit: everything is computed again from stored bytes and compared with what was signed, published and anchored.

 1  registry     the mirrored changes follow each other, by number and rolling hash
 2  entries      every index once, canonical, its columns as the envelope says
 3  payloads     digest, equal fields, sections
 4  signatures   each envelope signed by the key it names
 5  authority    each key valid at its index, for this role, agency and officer
 6  streams      sequence and previous of every stream, and its stored head
 7  custody      every act possible, its flags those that the rules raise
 8  models       the read models are those that the events lead to
 9  tree         leaves, tiles and root
10  checkpoints  published tree heads: signed by the log, with the root at their size; their timestamps
11  anchors      the journal's anchors have the root at their size
12  chain        the contract has no other record than the log's roots, and no other registry
13  access       the access log is whole, up to what was sealed
14  supervision  every step of a model, lead or recommendation possible, and by an agency that may take it
15  bindings     rows that no event causes are as they were bound when they were written
16  schema       tables, indexes and nothing else: no trigger or view between what is stored and what is read
17  maps         each head map that the log has committed to is that of the entries before it

``chain`` has step 1, ``entries`` 2 to 5, ``streams`` 6 to 8 and 14 (the stored rows against the log), ``tree`` 9,
``claims`` 10 to 12, ``bindings`` 15, ``maps`` 17; ``whole`` takes them in order and has 13 and 16, ``case`` audits one
case. An audit may go on from an earlier one by what that kept (``basis``); ``continuing`` chooses what it reads again.

If nothing of what was audited is anchored, step 11 makes the verdict ``not_yet_anchored``; if the chain was not
read, step 12 makes it ``unverifiable``. Entries since the last anchor are counted.

Each fault is a finding with the index of its entry. What depends on a faulty entry is not judged: it would only
repeat the finding. Times that nobody signed (``recorded_at``) must lie between what is signed before and after them.
"""

from ledger.audit.basis import Basis, read_basis
from ledger.audit.case import audit_case
from ledger.audit.chain import Look, NodeContracts, asking, left_out, replaying
from ledger.audit.findings import AuditReport
from ledger.audit.whole import audit_log

__all__ = [
    "AuditReport",
    "Basis",
    "Look",
    "NodeContracts",
    "asking",
    "audit_case",
    "audit_log",
    "left_out",
    "read_basis",
    "replaying",
]
