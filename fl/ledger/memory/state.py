"""What the contract stores, in memory, and the small questions that many of its rules ask."""

from __future__ import annotations

from eth_utils.crypto import keccak

from fl.errors import Refused
from fl.ledger.types import Address, Event, Member, MemberEvent, Outcome, Position, Seat, Stage, Task

NOBODY = Address("0x" + "00" * 20)
ZERO = bytes(32)
NO_TASK = Task(ZERO, ZERO, ZERO, 0, 0, False, False, 0, 0, 0, 0, 0, 0, 0, NOBODY, 0, 0, 0, 0, NOBODY)
NO_MEMBER = Member(balance=0, reputation=0, admitted=False)
NO_SEAT = Seat(joined=False, since=0, last=0)
NO_OUTCOME = Outcome(Stage.NONE)


def require(condition: bool, error: str, *arguments: object) -> None:
    """Solidity's `require` with a custom error."""
    if not condition:
        raise Refused(error, *arguments)


class State:
    """Storage slots as dictionaries of frozen records; a rule replaces a record, never changes one."""

    def __init__(self, chain_id: int, contract: Address, owner: Address, time: int) -> None:
        self.chain_id = chain_id
        self.contract = contract
        self.owner = owner
        self.time = time
        self.block = 0
        self.log_index = 0
        self.paused = False
        self.members: dict[Address, Member] = {}
        self.payees: dict[Address, Address] = {}
        self.successors: dict[Address, Address] = {}
        self.tasks: dict[int, Task] = {}
        self.seats: dict[tuple[int, Address], Seat] = {}
        self.outcomes: dict[tuple[int, int], Outcome] = {}
        self.events: dict[int, list[Event]] = {}
        self.member_events: list[MemberEvent] = []

    # --- reading

    def member(self, member: Address) -> Member:
        """A member, all zero if never admitted."""
        return self.members.get(member, NO_MEMBER)

    def payee(self, member: Address) -> Address:
        """The member itself until it names another."""
        return self.payees.get(member, member)

    def task(self, task: int) -> Task:
        """A task, all zero if unknown."""
        return self.tasks.get(task, NO_TASK)

    def known(self, task: int) -> Task:
        """A task that exists. Refused: UnknownTask."""
        require(task in self.tasks, "UnknownTask")
        return self.tasks[task]

    def seat(self, task: int, member: Address) -> Seat:
        """A member's seat, all zero if it never joined."""
        return self.seats.get((task, member), NO_SEAT)

    def outcome(self, task: int, round_: int) -> Outcome:
        """Where a round has come to."""
        return self.outcomes.get((task, round_), NO_OUTCOME)

    # --- guards

    def only_owner(self, sender: Address) -> None:
        """Refused: OwnableUnauthorizedAccount."""
        require(sender == self.owner, "OwnableUnauthorizedAccount", sender)

    def usable(self, account: Address) -> None:
        """Refused: BadAddress for the zero address and the federation itself."""
        require(account not in (NOBODY, self.contract), "BadAddress")

    # --- writing

    def transaction_hash(self) -> bytes:
        """A name for the block's only transaction."""
        return keccak(self.block.to_bytes(32, "big"))

    def here(self) -> Position:
        """Where the next log stands."""
        self.log_index += 1
        return Position(self.block, self.log_index - 1, self.time, self.transaction_hash())

    def emit(self, event: Event) -> None:
        """Log an event of a task."""
        self.events.setdefault(event.task, []).append(event)

    def emit_of_member(self, event: MemberEvent) -> None:
        """Log an event of a member."""
        self.member_events.append(event)
