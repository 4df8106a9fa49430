"""A federation on any chain, for rounds that are measured: one task, a few trainers, no money."""

from __future__ import annotations

from hashlib import sha256

from web3.providers import BaseProvider

from fl.ledger.accounts import account_from_seed
from fl.ledger.contract import Web3Ledger
from fl.ledger.deploy import deploy
from fl.ledger.types import Address, TaskParams

SEED = b"bench"


def digest(text: str) -> bytes:
    """Stands for a document."""
    return sha256(text.encode()).digest()


class Federation:
    """Deployed over `provider`, with everybody seated; `task` is its only task."""

    def __init__(self, provider: BaseProvider, trainers: int) -> None:
        names = addresses(trainers)
        self.provider = provider
        self.contract, _ = deploy(provider, account_from_seed(SEED, "owner"))
        self.owner, self.aggregator, *self.trainers = (self.as_account(name) for name in names)
        self.task = self.owner.create_task(self._params())
        for trainer in self.trainers:
            self.owner.admit(Address(str(trainer.account)), digest("profile"))
            trainer.join_task(self.task, digest("terms"), digest("policy"))

    def as_account(self, name: str) -> Web3Ledger:
        """The federation in somebody's name."""
        return Web3Ledger(self.provider, self.contract, account_from_seed(SEED, name))

    def _params(self) -> TaskParams:
        return TaskParams(
            terms=digest("terms"),
            weights=digest("weights 0"),
            aggregator=Address(str(self.aggregator.account)),
            sponsor=Address(str(self.owner.account)),
            reward=0,
            quorum=1,
            window=3_600,
            close_window=600,
            settle_delay=0,
        )


def addresses(trainers: int) -> dict[str, str]:
    """Names and addresses of owner, aggregator and trainers, all of whom need coins for gas."""
    names = ("owner", "aggregator", *(f"trainer {number}" for number in range(trainers)))
    return {name: account_from_seed(SEED, name).address for name in names}
