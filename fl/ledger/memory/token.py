"""The payment token in memory: an ERC-20 that refuses with OpenZeppelin's errors (ERC-6093)."""

from __future__ import annotations

from collections import defaultdict

from fl.ledger.memory.state import require
from fl.ledger.types import Address

UNLIMITED = 2**256 - 1


class Token:
    """Balances and allowances, in the token's smallest unit."""

    def __init__(self) -> None:
        self._balances: defaultdict[Address, int] = defaultdict(int)
        self._allowances: defaultdict[tuple[Address, Address], int] = defaultdict(int)

    def balance(self, holder: Address) -> int:
        """What `holder` has."""
        return self._balances.get(holder, 0)

    def mint(self, to: Address, amount: int) -> None:
        """Create `amount` for `to`."""
        self._balances[to] += amount

    def approve(self, owner: Address, spender: Address, amount: int) -> None:
        """Set what `spender` may take from `owner`; 2^256 - 1 is never used up."""
        self._allowances[owner, spender] = amount

    def transfer(self, sender: Address, to: Address, amount: int) -> None:
        """Move `amount`. Refused: ERC20InsufficientBalance."""
        self._demand(sender, amount)
        self._balances[sender] -= amount
        self._balances[to] += amount

    def transfer_from(self, spender: Address, owner: Address, to: Address, amount: int) -> None:
        """Move `amount` of what `owner` allowed. Refused: as `demand_from`."""
        self.demand_from(spender, owner, amount)
        self.transfer(owner, to, amount)
        if self._allowances[owner, spender] != UNLIMITED:
            self._allowances[owner, spender] -= amount

    def demand_from(self, spender: Address, owner: Address, amount: int) -> None:
        """Refused: ERC20InsufficientAllowance, ERC20InsufficientBalance."""
        allowance = self._allowances[owner, spender]
        require(allowance >= amount, "ERC20InsufficientAllowance", spender, allowance, amount)
        self._demand(owner, amount)

    def _demand(self, holder: Address, amount: int) -> None:
        balance = self.balance(holder)
        require(balance >= amount, "ERC20InsufficientBalance", holder, balance, amount)
