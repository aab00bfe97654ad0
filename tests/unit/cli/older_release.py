"""``tally`` of a release that deployed another LogAnchor.

python -m tests.unit.cli.older_release ARGUMENTS
"""

from __future__ import annotations

from ledger.chain.deploy import ANCHOR
from ledger.cli.main import main
from tests.unit.chain.builders import make_older

if __name__ == "__main__":
    make_older(ANCHOR)
    main()
