"""A chain in memory whose confirmed view lags, and that takes things back as a reorg does."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any, TypeVar

from eth_account.signers.local import LocalAccount

from fl.ledger.memory import MemoryFederation
from fl.ledger.memory.federation import MemoryLedger
from fl.ledger.memory.state import State
from fl.ledger.types import Transaction

T = TypeVar("T")


class LaggingFederation(MemoryFederation):
    """Nothing is confirmed but by `confirm`; `take_back` forgets what was not, or what came after a mark.

    No two blocks have the same time: as on a real chain, a transaction sent now sees a later one.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.confirm()

    def as_account(self, account: LocalAccount | None = None) -> LaggingLedger:
        return LaggingLedger(self, account)

    def mark(self) -> State:
        """Everything as it is now; the token's own balances are left out."""
        state = copy(self.state)
        for name, value in vars(self.state).items():
            if isinstance(value, dict):
                kept = {key: list(item) if isinstance(item, list) else item for key, item in value.items()}
                setattr(state, name, kept)
            elif isinstance(value, list):
                setattr(state, name, list(value))
        return state

    def transact(self, call: str, rule: Callable[[], T]) -> tuple[Transaction, T]:
        self.state.time += 1
        return super().transact(call, rule)

    def confirm(self) -> None:
        """As if blocks enough had followed."""
        self.state.time += 1
        self.confirmed = MemoryFederation.__new__(MemoryFederation)
        self.confirmed.state, self.confirmed.token = self.mark(), self.token

    def take_back(self, to: State | None = None) -> None:
        """A reorg, to a mark or to what is confirmed. Time goes on."""
        now = self.state.time
        vars(self.state).update(vars(to or self.confirmed.state))
        vars(self.state).update(vars(self.mark()), time=now)


class LaggingLedger(MemoryLedger):
    """Reads what a transaction sent now would see; `confirmed()` is what the federation confirmed last."""

    def __init__(self, federation: LaggingFederation, account: LocalAccount | None) -> None:
        super().__init__(federation, account)
        self._lagging = federation
        self._key = account

    def now(self) -> int:
        return super().now() + 1

    def confirmed(self) -> MemoryLedger:
        return self._lagging.confirmed.as_account(self._key)
