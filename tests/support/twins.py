"""Two ledgers that are called alike: the in-memory one and the contract on an embedded chain.

Whatever is called or read here is called or read on both, and both must say the same.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from eth_account.signers.local import LocalAccount

from fl.chain.node import EmbeddedNode
from fl.chain.provider import EmbeddedProvider
from fl.errors import Refused, UsageError
from fl.ledger.accounts import account_from_seed
from fl.ledger.contract import Web3Ledger
from fl.ledger.deploy import deploy, mint
from fl.ledger.memory import MemoryFederation
from fl.ledger.port import Ledger
from fl.ledger.types import Address, Transaction

START = 1_700_000_000
CHAIN_ID = 31337

Prepare = Callable[[Callable[[str], Ledger]], None]
"""Brings a federation to where every example starts; it is given each actor's ledger by name."""


@dataclass(frozen=True)
class Template:
    """A chain file with a federation, prepared once and copied for each pair of twins.

    The first of `names` owns the federation; `riches` says who begins with how many tokens.
    """

    path: Path
    actors: dict[str, LocalAccount]
    contract: Address
    riches: dict[str, int]
    prepare: Prepare

    @classmethod
    def make(cls, path: Path, names: Sequence[str], riches: dict[str, int], prepare: Prepare) -> Template:
        """Deploy, mint and prepare on a new chain at `path`."""
        actors = {name: account_from_seed(b"twins", name) for name in names}
        alloc = {actor.address: 10**24 for actor in actors.values()}
        owner = actors[names[0]]
        with EmbeddedNode.create(path, alloc=alloc, genesis_time=START, virtual_time=True) as node:
            provider = EmbeddedProvider(node)
            contract, token = deploy(provider, owner)
            for name, amount in riches.items():
                mint(provider, owner, token, Address(actors[name].address), amount)
            prepare(lambda name: Web3Ledger(provider, contract, actors[name]))
        return cls(path, actors, contract, riches, prepare)

    def memory(self) -> MemoryFederation:
        """The same federation in memory."""
        owner = Address(next(iter(self.actors.values())).address)
        federation = MemoryFederation(owner, chain_id=CHAIN_ID, contract=self.contract, time=START)
        for name, amount in self.riches.items():
            federation.mint(Address(self.actors[name].address), amount)
        self.prepare(lambda name: federation.as_account(self.actors[name]))
        return federation


class Twins:
    """One federation twice; `calls` counts what each verb came to."""

    def __init__(self, template: Template, path: Path, calls: Counter[tuple[str, str]]) -> None:
        shutil.copy(template.path, path)
        self.calls = calls
        self.actors = template.actors
        self._memory = template.memory()
        self._node = EmbeddedNode.open(path)
        provider = EmbeddedProvider(self._node)
        self._ledgers = {
            name: (self._memory.as_account(actor), Web3Ledger(provider, template.contract, actor))
            for name, actor in self.actors.items()
        }
        self.model, self._chain = self._ledgers[template_owner(template)]
        # every accepted call is one block on either, so that only where they began differs
        self._offset = self._chain.task(1).created_at - self.model.task(1).created_at

    def close(self) -> None:
        """Delete the copy of the chain."""
        self._node.close()
        self._node.path.unlink()

    def address(self, name: str) -> Address:
        """Whose address it is; for a name of nobody, the text itself."""
        return Address(self.actors[name].address) if name in self.actors else Address(name)

    def set_time(self, moment: int) -> None:
        """Move both clocks."""
        self._memory.set_time(moment)
        self._node.set_time(moment)
        self.same("now")

    # --- calling

    def call(self, caller: str, verb: str, *arguments: Any) -> bool:
        """Call both in somebody's name, demand the same answer, and say whether they accepted."""
        of_memory, of_chain = (_answer(ledger, verb, arguments) for ledger in self._ledgers[caller])
        assert self._shown(of_memory, self._offset) == self._shown(of_chain), (caller, verb, arguments)
        self.calls[verb, of_memory[0] if of_memory[0] != "refused" else of_memory[1]] += 1
        return of_memory[0] == "done"

    def same(self, verb: str, *arguments: Any) -> Any:
        """Read from both and demand the same."""
        of_memory, of_chain = (_answer(ledger, verb, arguments) for ledger in (self.model, self._chain))
        assert self._shown(of_memory, self._offset) == self._shown(of_chain), (verb, arguments)
        return of_memory[1]

    def _shown(self, answer: tuple[Any, ...], offset: int = 0) -> Any:
        return [_comparable(part, offset) for part in answer]


def template_owner(template: Template) -> str:
    return next(iter(template.actors))


def _answer(ledger: Ledger, verb: str, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    try:
        return "done", getattr(ledger, verb)(*arguments)
    except Refused as refused:
        return "refused", refused.name, refused.arguments
    except UsageError as wrong:
        return "usage", wrong.message


def _comparable(part: Any, offset: int) -> Any:
    """What two ledgers must agree on: everything but gas, hashes and the number of the first block."""
    match part:
        case Transaction():
            return part.block + offset, part.time
        case tuple():
            return [_comparable(item, offset) for item in part]
    if hasattr(part, "created_at"):
        return replace(part, created_at=part.created_at + offset, opened_at=part.opened_at and part.opened_at + offset)
    if hasattr(part, "facts"):
        return type(part), part.facts(), part.at.block + offset, part.at.time
    return part
