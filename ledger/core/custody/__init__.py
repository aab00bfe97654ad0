"""The custody rules: a pure fold over the stream of one case.

``state`` is what a case is, ``register`` how it keeps its parts, ``references`` which ids in a body are refused,
``fold`` the step, ``cases``, ``items``, ``measures``, ``handovers``, ``letters``, ``discrepancies``, ``holds``,
``erasures``, ``retention``, ``corrections`` and ``clocks`` the rules by subject, ``triggers`` what an event is to a
clock, ``clock_facts`` what one clock is to others, ``circumstances`` what is asked about it, and ``flags``,
``flags_of_clocks`` and ``flags_of_retention`` what is recorded although it is unlawful. ``claimed_times`` says which
times are possible and where they break the chain, ``spans`` how the chain of custody stood between events and what each
event concerns.
"""

from ledger.core.custody import corrections as corrections
from ledger.core.custody import erasures as erasures
from ledger.core.custody import flags_of_clocks as flags_of_clocks
from ledger.core.custody import flags_of_retention as flags_of_retention
from ledger.core.custody import handovers as handovers
from ledger.core.custody import items as items
from ledger.core.custody import letters as letters
from ledger.core.custody import retention as retention
from ledger.core.custody.cases import OpenSplit as OpenSplit
from ledger.core.custody.flags import Flag as Flag
from ledger.core.custody.fold import Outcome as Outcome
from ledger.core.custody.fold import fold as fold
from ledger.core.custody.state import Act as Act
from ledger.core.custody.state import Assignment as Assignment
from ledger.core.custody.state import CaseState as CaseState
from ledger.core.custody.state import CustodyChange as CustodyChange
from ledger.core.custody.state import Discrepancy as Discrepancy
from ledger.core.custody.state import Handover as Handover
from ledger.core.custody.state import Hold as Hold
from ledger.core.custody.state import Item as Item
from ledger.core.custody.state import Letter as Letter
from ledger.core.custody.state import MeasureState as MeasureState
from ledger.core.custody.state import Person as Person
