"""What trainers and payees sign for others to send: typed data (EIP-712), signed with ECDSA."""

from __future__ import annotations

from eth_account import Account
from eth_account.messages import SignableMessage, encode_typed_data
from eth_account.signers.local import LocalAccount
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError

from fl.ledger.types import Address

_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0  # secp256k1's n // 2

_SUBMISSION = {
    "Submission": [
        {"name": "trainer", "type": "address"},
        {"name": "task", "type": "uint256"},
        {"name": "round", "type": "uint256"},
        {"name": "receipt", "type": "bytes32"},
    ]
}
_REPLACEMENT = {
    "Replacement": [
        {"name": "old", "type": "address"},
        {"name": "next", "type": "address"},
        {"name": "profile", "type": "bytes32"},
    ]
}
_INTRODUCTION = {
    "Introduction": [
        {"name": "trainer", "type": "address"},
        {"name": "task", "type": "uint256"},
        {"name": "run", "type": "uint64"},
        {"name": "node", "type": "uint64"},
    ]
}


NAME, VERSION = "fedledger", "1"
"""The EIP-712 domain of every federation of this release."""


def submission(
    chain_id: int, contract: Address, trainer: Address, task: int, round_: int, receipt: bytes
) -> SignableMessage:
    """`Submission(address trainer,uint256 task,uint256 round,bytes32 receipt)` of one federation."""
    message = {"trainer": trainer, "task": task, "round": round_, "receipt": receipt}
    return encode_typed_data(_domain(chain_id, contract), _SUBMISSION, message)


def replacement(
    chain_id: int, contract: Address, old: Address, new: Address, profile: bytes
) -> SignableMessage:
    """`Replacement(address old,address next,bytes32 profile)` of one federation."""
    message = {"old": old, "next": new, "profile": profile}
    return encode_typed_data(_domain(chain_id, contract), _REPLACEMENT, message)


def introduction(
    chain_id: int, contract: Address, trainer: Address, task: int, run: int, node: int
) -> SignableMessage:
    """`Introduction(address trainer,uint256 task,uint64 run,uint64 node)`: which Flower node is whose.

    No contract takes it: a run's aggregator does, and `run` and `node` keep it from serving twice.
    """
    message = {"trainer": trainer, "task": task, "run": run, "node": node}
    return encode_typed_data(_domain(chain_id, contract), _INTRODUCTION, message)


def sign(message: SignableMessage, account: LocalAccount) -> bytes:
    """The 65 bytes r ‖ s ‖ v, with v 27 or 28."""
    return bytes(account.sign_message(message).signature)


def signer(message: SignableMessage, signature: bytes) -> Address | None:
    """Whose key signed; None where OpenZeppelin's ECDSA finds nobody.

    That is: not 65 bytes, an unknown recovery id, an upper-half s (malleable), or no point on the curve.
    """
    if len(signature) != 65:
        return None
    r, s, v = (int.from_bytes(part, "big") for part in (signature[:32], signature[32:64], signature[64:]))
    if v not in (27, 28) or s > _HALF_ORDER:
        return None
    try:
        return Address(Account.recover_message(message, vrs=(v, r, s)))
    except (BadSignature, ValidationError):
        return None


def _domain(chain_id: int, contract: Address) -> dict[str, object]:
    return {"name": NAME, "version": VERSION, "chainId": chain_id, "verifyingContract": contract}
