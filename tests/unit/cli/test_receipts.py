"""What an officer is told of a receipt that his trust file does not bear out."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from ledger.client.events import require_receipt
from ledger.core.errors import IntegrityBroken
from ledger.core.log.notes import SeedSigner
from ledger.i18n import LANGUAGES, Labels
from ledger.i18n.messages import said
from tests.testkit.builders import POLICE, clerk
from tests.testkit.bundles import trust
from tests.testkit.casework import Case
from tests.testkit.ledgers import LOG_SIGNER, ORIGIN, open_ledger, sqlite_url


def test_receipt_by_a_new_key_names_the_renewal(tmp_path: Path) -> None:
    """Whoever has the trust file of before the log's key was replaced is told to take the renewal, in both languages;
    by the new trust file the same receipt is good."""
    with open_ledger(sqlite_url(tmp_path)) as ledger:
        event = Case().open().last
        receipt = msgspec.to_builtins(ledger.found(clerk(POLICE)).post(event))
    before = SeedSigner.from_seed(ORIGIN, bytes(32))
    with pytest.raises(IntegrityBroken) as caught:
        require_receipt(receipt, event.submission, trust(log_key=before.verifying_key))
    assert caught.value.hint is not None
    for language in LANGUAGES:
        assert "tally trust accept" in said(caught.value.hint, Labels(language))
    assert said(caught.value.hint, Labels("zh-CN")) != caught.value.hint
    assert require_receipt(receipt, event.submission, trust(log_key=LOG_SIGNER.verifying_key)).index == receipt["index"]
