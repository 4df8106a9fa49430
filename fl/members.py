"""A federation's members: admitted under a name, and called by it ever after."""

from __future__ import annotations

from pydantic import ValidationError

from fl.documents import Profile
from fl.errors import DocumentError, StoreError, UsageError
from fl.ledger.port import Ledger
from fl.ledger.types import Address, Admitted, Replaced
from fl.store.port import BlobStore, Readable, put_bytes, read_document


def admit(owner: Ledger, store: BlobStore, member: Address, name: str) -> Profile:
    """Store a member's profile and admit the member with it; `owner` calls in the owner's name.

    Raises UsageError for what is no name.
    """
    profile = _profile(owner.chain_id, member, name)
    put_bytes(store, profile.encode())
    owner.admit(member, profile.id)
    return profile


def _profile(chain_id: int, member: Address, name: str) -> Profile:
    try:
        return Profile(name=name, did=f"did:pkh:eip155:{chain_id}:{member}", encryption_key=None)
    except ValidationError as error:
        hint = "A name has 1 to 128 printable characters, no markup and no space around it."
        raise UsageError(f"{name!r:.200} cannot be a member's name.", hint) from error


def names(ledger: Ledger, store: Readable) -> dict[Address, str]:
    """What everybody who ever was a member calls itself; its address where the profile cannot be had."""
    found: dict[Address, str] = {}
    for event in ledger.member_history():
        if isinstance(event, Admitted):
            found[event.member] = _name(store, event.profile, event.member)
        if isinstance(event, Replaced):
            found[event.new] = _name(store, event.profile, event.new)
    return found


def _name(store: Readable, profile: bytes, member: Address) -> str:
    try:
        return Profile.decode(read_document(store, profile)).name
    except (StoreError, DocumentError):
        return member
