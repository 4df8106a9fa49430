"""What the contract's refusals mean, in the interface's own sentences."""

from __future__ import annotations

MEANINGS = {
    # who
    "NotAggregator": "The caller is not the task's aggregator.",
    "NotPayee": "The caller is not the member's payee.",
    "NotSponsor": "The caller is neither the owner nor the task's sponsor.",
    "NotAdmitted": "The key is not a member.",
    "AlreadyAdmitted": "The key is a member already.",
    "AlreadyKnown": "The key was a member before, or was replaced by another.",
    "BadSignature": "The signature is not the signer's over this digest.",
    "BadAddress": "The zero address, this contract, or a token without code.",
    # tasks
    "IsPaused": "New rounds, joins and tasks are stopped.",
    "UnknownTask": "No task has this number.",
    "TaskHasEnded": "The task has ended.",
    "NotEnded": "The task has not ended.",
    "BadParams": "A parameter is zero or out of bounds.",
    "WrongTerms": "The digest is not that of the task's terms.",
    "NotJoined": "The member has no seat.",
    "AlreadyJoined": "The member has a seat already.",
    "TaskFull": "Every seat is taken.",
    "NotRemovable": "Only a removed member's seat can be taken away.",
    "WrongAmount": "Another amount arrived than was announced, or the federation would hold 2^128 or more.",
    "NothingToPay": "There is nothing to send.",
    # rounds
    "WrongRound": "Not the round that this call must name.",
    "WrongBase": "Not the weights that the contract holds.",
    "NotEnoughTrainers": "Fewer seats than the quorum.",
    "NotFunded": "The pool holds less than one round's reward.",
    "NotOpen": "No round is open.",
    "StillOpen": "A round is open.",
    "NotExpected": "The trainer joined after the round had opened.",
    "AlreadySubmitted": "The trainer has submitted to this round.",
    "Late": "The deadline or the close window has passed.",
    "TooEarly": "The round is not sealed, or the moment for this call has not come.",
    "Incomplete": "Not exactly the round's announcement and submissions, in their order.",
    "BelowQuorum": "Fewer accepted entries than the quorum.",
    "BadEntry": "Entry `index` has an unknown quality, a share without acceptance, "
    "or bits beyond the trainer.",
    "UnavailableTooEarly": "A submission may be called unavailable only after half the close window.",
    "NotPending": "The round is not closed and waiting to be settled.",
    "WrongEntries": "Not the time and entries that the round was closed with.",
    # of OpenZeppelin's contracts
    "OwnableUnauthorizedAccount": "Only the owner may call this.",
    "ERC20InsufficientBalance": "The account holds fewer tokens than this takes.",
    "ERC20InsufficientAllowance": "The account allows the federation to take fewer tokens than this.",
}
