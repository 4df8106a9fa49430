"""The ledger port: the verbs of the contract, one method a call, in the name of one account.

Every verb can raise `Refused` (the contract's custom error by name, with its arguments) and
`LedgerUnavailable`. The rules of each call stand once, in `contracts/src/interfaces/IFederation.sol`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fl.ledger.types import (
    Address,
    Entry,
    Event,
    Member,
    MemberEvent,
    Outcome,
    Result,
    Seat,
    Task,
    TaskParams,
    Transaction,
)


class Ledger(Protocol):
    """One federation's contract, seen and called by one account (or read only, without one)."""

    @property
    def chain_id(self) -> int:
        """EIP-155 chain id."""
        ...

    @property
    def contract(self) -> Address:
        """The federation's address."""
        ...

    @property
    def account(self) -> Address | None:
        """In whose name the verbs are called; None when reading only."""
        ...

    # --- members

    def admit(self, member: Address, profile: bytes) -> Transaction:
        """Owner admits a key."""
        ...

    def remove(self, member: Address) -> Transaction:
        """Owner ends a membership."""
        ...

    def replace(self, old: Address, new: Address, profile: bytes, signature: bytes) -> Transaction:
        """Owner moves a reputation to a new key, with the payee's signature."""
        ...

    def set_payee(self, member: Address, payee: Address) -> Transaction:
        """The payee names the next."""
        ...

    def withdraw(self, member: Address) -> Transaction:
        """Anyone sends a member's balance to its payee."""
        ...

    # --- tasks

    def set_paused(self, paused: bool) -> Transaction:
        """Owner stops or restarts new rounds, joins and tasks."""
        ...

    def create_task(self, params: TaskParams) -> int:
        """Create a task and return its number."""
        ...

    def set_aggregator(self, task: int, aggregator: Address) -> Transaction:
        """Owner names another aggregator."""
        ...

    def end_task(self, task: int) -> Transaction:
        """Owner or sponsor ends a task."""
        ...

    def fund(self, task: int, amount: int) -> Transaction:
        """Pay into the pool; an allowance for the federation must be there (`approve`)."""
        ...

    def defund(self, task: int) -> Transaction:
        """Anyone sends an ended task's free pool to its sponsor."""
        ...

    def join_task(self, task: int, terms: bytes, policy: bytes) -> Transaction:
        """A member consents to a task's terms."""
        ...

    def leave_task(self, task: int) -> Transaction:
        """A member takes its consent back."""
        ...

    def unseat(self, task: int, member: Address) -> Transaction:
        """Anyone takes a removed member's seat away."""
        ...

    def reset_weights(self, task: int, weights: bytes, reason: bytes) -> Transaction:
        """Owner sets a task's weights back."""
        ...

    # --- rounds

    def open_round(self, task: int, round_: int, base: bytes, announcement: bytes) -> Transaction:
        """Aggregator opens the next round."""
        ...

    def submit_update(self, task: int, round_: int, receipt: bytes) -> Transaction:
        """A trainer submits its receipt's digest."""
        ...

    def submit_update_for(
        self, trainer: Address, task: int, round_: int, receipt: bytes, signature: bytes
    ) -> Transaction:
        """Anyone relays a submission that its trainer signed."""
        ...

    def reveal(self, task: int, round_: int, trainer: Address, receipt: bytes) -> Transaction:
        """Anyone puts a receipt's bytes on the record."""
        ...

    def close_round(self, task: int, round_: int, result: Result) -> Transaction:
        """Aggregator closes a sealed round."""
        ...

    def settle_round(
        self, task: int, round_: int, settle_after: int, entries: Sequence[Entry]
    ) -> Transaction:
        """Anyone has a closed round paid and rated."""
        ...

    def void_round(self, task: int, round_: int, reason: bytes) -> Transaction:
        """Owner voids an open or pending round."""
        ...

    def fail_round(self, task: int, round_: int, reason: bytes) -> Transaction:
        """Aggregator, or anyone after the close window, fails a round."""
        ...

    # --- signatures (EIP-712), made with this ledger's own account

    def sign_submission(self, task: int, round_: int, receipt: bytes) -> bytes:
        """What `submit_update_for` takes: 65 bytes over `Submission(account, task, round, receipt)`."""
        ...

    def sign_replacement(self, old: Address, new: Address, profile: bytes) -> bytes:
        """What `replace` takes from the payee: 65 bytes over `Replacement(old, next, profile)`."""
        ...

    def sign_introduction(self, task: int, run: int, node: int) -> bytes:
        """What tells a run's aggregator which node is this account's: 65 bytes over `Introduction(…)`."""
        ...

    # --- reading

    def confirmed(self) -> Ledger:
        """The contract as of the newest confirmed block, to read from: fixed, so that all answers agree.

        `now()` there is that block's time. Where nothing is ever taken back (in memory, on the embedded
        chain) it is the ledger itself. Raises LedgerUnavailable while the contract itself is not confirmed.
        """
        ...

    def now(self) -> int:
        """The time that a transaction sent now would see."""
        ...

    def owner(self) -> Address:
        """The consortium's account."""
        ...

    def paused(self) -> bool:
        """Whether new rounds, joins and tasks are stopped."""
        ...

    def task_count(self) -> int:
        """The last task's number."""
        ...

    def task(self, task: int) -> Task:
        """Raises Refused("UnknownTask") for a number never given out."""
        ...

    def member(self, member: Address) -> Member:
        """A member as it stands."""
        ...

    def seat(self, task: int, member: Address) -> Seat:
        """A member's seat in a task."""
        ...

    def payee(self, member: Address) -> Address:
        """Who receives what the member earned."""
        ...

    def outcome(self, task: int, round_: int) -> Outcome:
        """Where a round has come to."""
        ...

    def history(self, task: int, since: int = 0) -> tuple[Event, ...]:
        """Every event of the task, in chain order, from the block of its creation or block `since`."""
        ...

    def member_history(self) -> tuple[MemberEvent, ...]:
        """Every event about members, in chain order, from the contract's deployment."""
        ...

    def gas(self, transaction: bytes) -> int:
        """Gas that a transaction used, the intrinsic 21,000 included; 0 on the in-memory ledger."""
        ...

    # --- the payment token

    def token_balance(self, holder: Address) -> int:
        """What `holder` has of the payment token."""
        ...

    def approve(self, amount: int) -> Transaction:
        """Let the federation take up to `amount` from this account."""
        ...
