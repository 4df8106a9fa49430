"""Membership, payees and withdrawals: the model of the contract's calls on members."""

from __future__ import annotations

from dataclasses import replace

from fl.ledger import signing
from fl.ledger.memory.state import State, require
from fl.ledger.memory.token import Token
from fl.ledger.types import (
    INITIAL_REPUTATION,
    Address,
    Admitted,
    Member,
    PayeeSet,
    Removed,
    Replaced,
    Withdrawn,
)


class Members:
    """One method a call; `sender` is Solidity's `msg.sender`."""

    def __init__(self, state: State, token: Token) -> None:
        self._state = state
        self._token = token

    def admit(self, sender: Address, member: Address, profile: bytes) -> None:
        """A second admission touches neither reputation nor payee nor balance."""
        state = self._state
        state.only_owner(sender)
        state.usable(member)
        known = state.member(member)
        require(not known.admitted, "AlreadyAdmitted")
        require(member not in state.successors, "AlreadyKnown")
        reputation = known.reputation or INITIAL_REPUTATION
        state.members[member] = replace(known, admitted=True, reputation=reputation)
        state.emit_of_member(Admitted(state.here(), member, profile))

    def remove(self, sender: Address, member: Address) -> None:
        """Balance, payee, submissions and pending rewards stay."""
        state = self._state
        state.only_owner(sender)
        require(state.member(member).admitted, "NotAdmitted")
        state.members[member] = replace(state.member(member), admitted=False)
        state.emit_of_member(Removed(state.here(), member))

    def replace(self, sender: Address, old: Address, new: Address, profile: bytes, signature: bytes) -> None:
        """The reputation moves to a never-seen key, the balance stays with the old key's payee.

        The payee is an account with a key here; the contract accepts an ERC-1271 contract too.
        """
        state = self._state
        state.only_owner(sender)
        require(state.member(old).admitted, "NotAdmitted")
        state.usable(new)
        require(state.member(new).reputation == 0, "AlreadyKnown")
        payee = state.payee(old)
        message = signing.replacement(state.chain_id, state.contract, old, new, profile)
        require(signing.signer(message, signature) == payee, "BadSignature")
        self._move(old, new, payee)
        state.emit_of_member(Replaced(state.here(), old, new, profile))
        state.emit_of_member(PayeeSet(state.here(), new, payee))

    def _move(self, old: Address, new: Address, payee: Address) -> None:
        state = self._state
        former = state.member(old)
        state.members[old] = replace(former, admitted=False)
        state.members[new] = Member(balance=0, reputation=former.reputation, admitted=True)
        state.successors[old] = new
        state.payees[new] = payee

    def set_payee(self, sender: Address, member: Address, payee: Address) -> None:
        """The current payee names the next."""
        state = self._state
        require(sender == state.payee(member), "NotPayee")
        state.usable(payee)
        state.payees[member] = payee
        state.emit_of_member(PayeeSet(state.here(), member, payee))

    def withdraw(self, sender: Address, member: Address) -> None:  # noqa: ARG002 - anyone may
        """A member's whole balance goes to its payee."""
        state = self._state
        known = state.member(member)
        require(known.balance != 0, "NothingToPay")
        payee = state.payee(member)
        state.members[member] = replace(known, balance=0)
        state.emit_of_member(Withdrawn(state.here(), member, payee, known.balance))
        self._token.transfer(state.contract, payee, known.balance)
