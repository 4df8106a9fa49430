"""Everything random or secret in a run, drawn from its one seed by HMAC-SHA256.

For experiments that must repeat; a real site draws its own secrets.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from eth_account.signers.local import LocalAccount

from fl.ledger.accounts import account_from_seed


@dataclass(frozen=True)
class Secrets:
    """A run's secrets by label; other labels give independent ones."""

    seed: int

    def draw(self, *label: object) -> bytes:
        """32 bytes for this label."""
        message = "/".join(map(str, label)).encode()
        return hmac.new(self._key(), message, hashlib.sha256).digest()

    def number(self, *label: object) -> int:
        """A seed for somebody's generator, below 2^63."""
        return int.from_bytes(self.draw(*label)[:8], "big") >> 1

    def account(self, role: str) -> LocalAccount:
        """The account of `owner`, `aggregator` or a site."""
        return account_from_seed(self._key(), f"account/{role}")

    def _key(self) -> bytes:
        return hashlib.sha256(f"fedledger run {self.seed}".encode()).digest()
