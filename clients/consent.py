"""What a site holds against its terms and the chain before it joins, trains, or lets anything out.

Every check raises ConsentError with the difference it found. None of them reads chain or store.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from fl import agreement, weights
from fl.canonical import Setting, decode_settings, sha256
from fl.documents import Announcement, Privacy, Reference, Terms
from fl.errors import ConsentError, WeightsError
from fl.ledger.types import Address, RoundOpened, Task
from fl.messages import EXAMPLES
from fl.weights import Arrays


def check_terms(terms: Terms, task: Task) -> None:
    """The terms are the task's own, number by number, and everybody can check what they pay by."""
    _demand(agreement.terms_and_task(terms, task))
    _demand(agreement.terms_and_scoring(terms))
    if any(metric.name == EXAMPLES for metric in terms.metrics):
        raise ConsentError(f"The terms list a metric {EXAMPLES!r}: updates have their examples by that name.")


def check_announcement(
    announcement: Announcement, opened: RoundOpened, chain_id: int, contract: Address, account: Address
) -> None:
    """The announcement is of this very round, of its base, and for this trainer."""
    _demand(agreement.announcement_and_opening(announcement, opened, chain_id, contract))
    if announcement.invited is not None and account not in announcement.invited:
        raise ConsentError(f"Round {opened.round} does not ask for this site.")


def settings(terms: Terms, announcement: Announcement) -> dict[str, Setting]:
    """The terms' training settings, with those that the round may choose and its number as it says them.

    Neither settings against the terms nor a round that cannot reach its quorum is trained for.
    """
    _demand(agreement.settings_and_terms(announcement.settings, terms))
    _demand(agreement.invitation_and_quorum(announcement, terms.quorum))
    return decode_settings(terms.training) | decode_settings(announcement.settings)


def _demand(differences: Iterator[str]) -> None:
    """Refuse on the first difference."""
    for difference in differences:
        raise ConsentError(f"{difference[0].upper()}{difference[1:]}.")


# --- weights


def check_base_size(reference: Reference, terms: Terms) -> None:
    """Before anything is fetched: as many bytes as the terms' tensors and a header can have."""
    if reference.size not in terms.weights_sizes:
        raise ConsentError(f"The base weights have {reference.size} bytes, which the terms' tensors cannot.")


def read_base(data: bytes, reference: Reference, terms: Terms) -> Arrays:
    """The base weights: the referenced bytes, with exactly the terms' tensors."""
    if len(data) != reference.size or sha256(data).hex() != reference.sha256:
        raise ConsentError("The store gave other base weights than the round was opened on.")
    try:
        arrays = weights.decode(data, terms.order)
    except WeightsError as error:
        raise ConsentError(f"The base weights are not those of the terms: {error.message}") from error
    check_tensors("The base weights", arrays, terms)
    return arrays


def check_tensors(what: str, arrays: Arrays, terms: Terms) -> None:
    """Names, dtypes and shapes are the terms', and every number is finite."""
    if arrays.keys() != set(terms.order):
        raise ConsentError(f"{what} have other tensors than the terms list.")
    for tensor in terms.tensors:
        array = arrays[tensor.name]
        if array.shape != tensor.shape or array.dtype != weights.DTYPES[tensor.dtype]:
            said, found = f"{tensor.dtype} {tensor.shape}", f"{array.dtype} {array.shape}"
            raise ConsentError(f"{what} have {tensor.name!r} as {found}; the terms say {said}.")
    if not weights.all_finite(arrays):
        raise ConsentError(f"{what} hold numbers that are not finite.")


# --- what leaves the site


def check_claims(examples: int, metrics: Mapping[str, float], privacy: Privacy | None, terms: Terms) -> None:
    """Examples within the terms' limit, every listed metric finite, privacy spent where there is a budget."""
    if not 1 <= examples <= terms.limits.examples:
        raise ConsentError(
            f"An update of {examples} examples was made; the terms allow 1 to {terms.limits.examples}."
        )
    for metric in terms.metrics:
        if not math.isfinite(metrics.get(metric.name, math.nan)):
            raise ConsentError(f"The app reports no finite metric {metric.name!r}, and the terms list it.")
    if terms.privacy is not None and privacy is None:
        raise ConsentError("The terms have a privacy budget, and the app does not say what it spent.")
