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
        balance = self.balance(sender)
        require(balance >= amount, "ERC20InsufficientBalance", sender, balance, amount)
        self._balances[sender] = balance - amount
        self._balances[to] += amount

    def transfer_from(self, spender: Address, owner: Address, to: Address, amount: int) -> None:
        """Move `amount` of what `owner` allowed. Refused: ERC20InsufficientAllowance or as `transfer`."""
        allowance = self._allowances[owner, spender]
        require(allowance >= amount, "ERC20InsufficientAllowance", spender, allowance, amount)
        self.transfer(owner, to, amount)
        if allowance != UNLIMITED:
            self._allowances[owner, spender] = allowance - amount
