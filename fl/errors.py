"""Everything that fedledger raises on purpose.

FedledgerError
├── UsageError               a wrong argument, file or setting; `fl` ends with exit code 2
├── DocumentError            bytes that are not the document they should be
├── WeightsError             bytes or arrays that are not the weights they should be
├── SealError                a sealed blob that does not open
├── StoreError
│   ├── BlobUnavailable      not there, or not served in time
│   │   └── BlobDamaged      there, but with bytes that its CID does not vouch for
│   ├── BlobMalformed        there, but not in the layout that its size demands
│   └── BlobTooLarge         more bytes than the reader allows
├── StoreUnavailable         the store itself gives no answer, which says nothing about any blob
├── LedgerError
│   ├── Refused              the contract said no, and why
│   └── LedgerUnavailable    no answer, or no sensible one
├── ConsentError             a site will not take part in this round
├── OwnCodeError             code of a person's own raised in the middle of the work
└── ChainError               the embedded chain's file cannot be used
"""

from __future__ import annotations

from fl.refusals import MEANINGS


class FedledgerError(Exception):
    """A sentence for a person, and what to do next.

    `hint` is one more sentence, or empty.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), dict(self.__dict__), self.args))


def _rebuild(cls: type[FedledgerError], state: dict[str, object], args: tuple[object, ...]) -> FedledgerError:
    """Errors cross process borders: rebuild one without calling its own constructor."""
    error = cls.__new__(cls)
    error.args = args
    error.__dict__.update(state)
    return error


class UsageError(FedledgerError):
    """A wrong argument, file or setting."""


class DocumentError(FedledgerError):
    """Bytes that are not the document they should be."""


class WeightsError(FedledgerError):
    """Bytes or arrays that are not the weights they should be."""


class SealError(FedledgerError):
    """A sealed blob that does not open."""


class StoreError(FedledgerError):
    """The store could not do what it was asked."""


class BlobUnavailable(StoreError):
    """Not there, or not served in time."""


class BlobDamaged(BlobUnavailable):
    """There, but with bytes that its CID does not vouch for: a store's fault, so it counts as not served."""


class BlobMalformed(StoreError):
    """The bytes match the CID, but are not laid out as their size demands."""


class BlobTooLarge(StoreError):
    """The blob is larger than the reader allows."""


class StoreUnavailable(FedledgerError):
    """The store itself gives no answer, which says nothing about any blob.

    No StoreError, on purpose: who judges content by its StoreError must not judge by this one.
    """


class LedgerError(FedledgerError):
    """The ledger could not do what it was asked."""


class Refused(LedgerError):
    """The contract reverted.

    `name` is the custom error of the interface (such as `TooEarly`), `arguments` its decoded arguments.
    """

    def __init__(self, name: str, *arguments: object, call: str = "") -> None:
        shown = f"{name}({', '.join(map(str, arguments))})"
        message = f"The contract refused {call or 'the call'}: {shown}."
        super().__init__(message, MEANINGS.get(name, ""))
        self.name = name
        self.arguments = arguments
        self.call = call


class LedgerUnavailable(LedgerError):
    """The node gave no answer, or no sensible one."""


class ConsentError(FedledgerError):
    """A site will not take part, and why."""


class OwnCodeError(FedledgerError):
    """Code of a person's own raised in the middle of the work, or gave back what cannot be used."""


class ChainError(FedledgerError):
    """The embedded chain's file cannot be used."""
