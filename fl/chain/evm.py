"""The rules of the chain: Ethereum's Prague fork, with blocks made by whoever holds the file."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast

import rlp  # type: ignore[import-untyped]  # ships no types
from eth.abc import AtomicDatabaseAPI, BlockHeaderAPI, ComputationAPI, OpcodeAPI, SignedTransactionAPI
from eth.chains.base import MiningChain
from eth.consensus.applier import ConsensusApplier
from eth.consensus.noproof import NoProofConsensus
from eth.constants import GAS_TX
from eth.typing import AccountDetails
from eth.vm import opcode_values
from eth.vm.forks.prague import PragueVM
from eth.vm.forks.prague.computation import PragueComputation
from eth.vm.forks.prague.constants import STANDARD_TOKEN_COST, TOTAL_COST_FLOOR_PER_TOKEN
from eth.vm.forks.prague.opcodes import PRAGUE_OPCODES
from eth.vm.forks.prague.state import PragueState
from eth.vm.opcode import as_opcode
from eth_typing import Address
from eth_utils.crypto import keccak
from eth_utils.exceptions import ValidationError


def _noticed(code: int, flag: str) -> OpcodeAPI:
    """Return an opcode of Prague's that also sets a flag of the computation in which it runs."""
    opcode = PRAGUE_OPCODES[code]

    def run(computation: ComputationAPI) -> None:
        setattr(computation, flag, True)
        opcode(computation)

    return as_opcode(run, opcode.mnemonic, gas_cost=0)  # which the opcode itself takes


_OF_THE_BLOCK = (
    opcode_values.BLOCKHASH,
    opcode_values.COINBASE,
    opcode_values.TIMESTAMP,
    opcode_values.NUMBER,
    opcode_values.PREVRANDAO,
    opcode_values.GASLIMIT,
    opcode_values.BASEFEE,
    opcode_values.BLOBBASEFEE,
)


class EmbeddedComputation(PragueComputation):
    """Prague's, which also remembers whether code looked at the gas that is left, or at its block."""

    asked_for_gas = False
    asked_for_block = False
    opcodes = (
        PRAGUE_OPCODES
        | {opcode_values.GAS: _noticed(opcode_values.GAS, "asked_for_gas")}
        | {code: _noticed(code, "asked_for_block") for code in _OF_THE_BLOCK}
    )

    @property
    def depends_on_block(self) -> bool:
        """Whether this or what it called looked at the block."""
        children = cast("list[EmbeddedComputation]", self.children)
        return self.asked_for_block or any(child.depends_on_block for child in children)


class EmbeddedState(PragueState):
    """Prague's, with our computations."""

    computation_class = EmbeddedComputation


class EmbeddedVM(PragueVM):
    """Prague, but a block may carry its parent's timestamp, so that quick blocks do not outrun the clock."""

    _state_class = EmbeddedState

    @classmethod
    def validate_header(cls, header: BlockHeaderAPI, parent_header: BlockHeaderAPI) -> None:
        """Raise ValidationError for a header that breaks a rule; an equal timestamp breaks none."""
        if header.timestamp == parent_header.timestamp:
            parent_header = parent_header.copy(timestamp=parent_header.timestamp - 1)
        super().validate_header(header, parent_header)


_VMS = ConsensusApplier(NoProofConsensus).amend_vm_configuration(((0, EmbeddedVM),))


def chain_class(chain_id: int) -> type[MiningChain]:
    """Return py-evm's chain for this EIP-155 chain id."""
    return MiningChain.configure("EmbeddedChain", vm_configuration=_VMS, chain_id=chain_id)


def write_genesis(
    db: AtomicDatabaseAPI,
    *,
    chain_id: int,
    gas_limit: int,
    timestamp: int,
    balances: Mapping[Address, int],
) -> None:
    """Write block 0. `balances` are in wei."""
    header: dict[str, Any] = {
        "coinbase": b"\0" * 20,
        "extra_data": b"",
        "gas_limit": gas_limit,
        "timestamp": timestamp,
    }
    accounts: dict[Address, AccountDetails] = {
        address: {"balance": balance, "nonce": 0, "code": b"", "storage": {}}
        for address, balance in balances.items()
    }
    chain_class(chain_id).from_genesis(db, header, accounts)


@lru_cache(maxsize=16)
def next_header(chain: MiningChain, parent: BlockHeaderAPI, now: int) -> BlockHeaderAPI:
    """Return the header of the block after `parent`, made at `now` (seconds since 1970).

    PREVRANDAO follows from the parent's hash, so that the same transactions make the same chain.
    """
    return chain.create_header_from_parent(
        parent,
        timestamp=max(parent.timestamp, now),
        gas_limit=parent.gas_limit,
        mix_hash=keccak(parent.hash),
    )


def base_fee(header: BlockHeaderAPI) -> int:
    """Return the wei a unit of gas that the block burns (EIP-1559); every Prague header has it."""
    return header.base_fee_per_gas or 0


@lru_cache(maxsize=16)
def timestamp_of(header: bytes) -> int:
    """Return the time in a header as it is stored, in RLP, without decoding the rest (yellow paper, 4.4)."""
    return int.from_bytes(rlp.decode(header)[11], "big")


def check_transaction(transaction: SignedTransactionAPI, chain_id: int) -> None:
    """Raise ValidationError for what py-evm does not look at.

    A transaction of another chain must not be replayed here (EIP-155), and one whose gas does not pay for
    its data can be in no block (EIP-7623).
    """
    if transaction.chain_id != chain_id:
        raise ValidationError(
            f"invalid chain id: this is {chain_id}, the transaction's {transaction.chain_id}"
        )
    floor = data_floor(transaction.data)
    if transaction.gas < floor:
        raise ValidationError(f"intrinsic gas too low: {transaction.gas}, its data alone cost {floor}")


def data_floor(data: bytes) -> int:
    """Return the least gas that a transaction with this data pays (EIP-7623)."""
    zeros = data.count(0)
    tokens = zeros + (len(data) - zeros) * STANDARD_TOKEN_COST
    return GAS_TX + TOTAL_COST_FLOOR_PER_TOKEN * tokens
