"""Whole runs in which several sites misbehave at once, after they were honest and before they are so again.

Every way to misbehave, by itself, is in test_every_verdict.py.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from flwr.app import Context
from flwr.clientapp import ClientApp

from clients.app import train_here
from clients.mod import site_mod
from clients.node import open_site, text
from clients.site import Site
from fl import weights
from fl.canonical import sha256
from fl.documents import Announcement, Details, Receipt
from fl.ledger.types import (
    FULL_QUALITY,
    INITIAL_REPUTATION,
    REFUSED_QUALITY,
    UNAVAILABLE,
    UNRATED,
)

BAD = 2
"""The round in which they misbehave; in those before and after they are honest."""


class FaultySite(Site):
    """Honest, but for what `sealed` and `deliver` do in round 2."""

    def _sealed(self, announcement: Announcement, update: bytes, details: Details) -> Receipt:
        if announcement.round == BAD:
            return self.sealed(announcement, update, details)
        return super()._sealed(announcement, update, details)

    def sealed(self, announcement: Announcement, update: bytes, details: Details) -> Receipt:
        return super()._sealed(announcement, update, details)

    def publish_due(self) -> None:
        task = self.ledger.task(self.task)
        if task.round == BAD and task.sealed(self.ledger.now()):
            self.deliver()
        else:
            super().publish_due()

    def deliver(self) -> None:
        super().publish_due()


# --- what they send


class SendsNaN(FaultySite):
    def sealed(self, announcement, update, details):
        return super().sealed(announcement, changed(self, update, lambda array: array * np.nan), details)


class ClaimsAMillionExamples(FaultySite):
    def sealed(self, announcement, update, details):
        claim = details.model_copy(update={"examples": 1_000_000})
        return super().sealed(announcement, update, claim)


class SendsTheBaseBack(FaultySite):
    def sealed(self, announcement, update, details):
        return super().sealed(announcement, weights.encode(self.base(announcement)), details)


class StoresOtherBytes(FaultySite):
    """The reference's SHA-256 is another one than the stored bytes have."""

    def sealed(self, announcement, update, details):
        receipt = super().sealed(announcement, update, details)
        wrong = receipt.update.model_copy(update={"sha256": sha256(b"other bytes").hex()})
        return receipt.model_copy(update={"update": wrong})


class Colludes(FaultySite):
    """Hands in the update that the accomplice, who trained first, left for it."""

    left: bytes | None = None

    def sealed(self, announcement, update, details):
        Colludes.left = Colludes.left or update
        return super().sealed(announcement, Colludes.left, details)


# --- how they deliver


class NeverPublishes(FaultySite):
    def deliver(self):
        for receipt in self.outbox.receipts():
            self.outbox.drop(receipt)


class PublishesLate(FaultySite):
    def deliver(self):
        """Keep the receipt until the next round."""


class Fails(FaultySite):
    """Its app raises in the middle of training."""

    def sealed(self, announcement, update, details):
        raise ZeroDivisionError("nothing to divide by")


def changed(site: Site, update: bytes, change: Callable[[np.ndarray], np.ndarray]) -> bytes:
    """An update with its first tensor changed."""
    arrays = dict(weights.decode(update, site.terms.order))
    first = next(iter(arrays))
    arrays[first] = change(arrays[first]).astype(arrays[first].dtype)
    return weights.encode(arrays)


def app_of(kinds: dict[str, type[Site]]) -> ClientApp:
    """The app of the presets, with another kind of site for some names."""

    def site_of(context: Context) -> Site:
        name = Path(text(context.node_config, "key")).stem
        return open_site(context.node_config, kinds.get(name, Site))

    app = ClientApp(mods=[site_mod(site_of)])
    app.train()(train_here)
    return app


CONTENT = {
    "hospital-3": (SendsNaN, "not_finite", REFUSED_QUALITY),
    "hospital-4": (ClaimsAMillionExamples, "bad_claim", REFUSED_QUALITY),
    "hospital-5": (StoresOtherBytes, "bad_content", REFUSED_QUALITY),
    "hospital-6": (SendsTheBaseBack, "no_change", REFUSED_QUALITY),
    "hospital-7": (NeverPublishes, "unavailable", UNAVAILABLE),
    "hospital-8": (PublishesLate, "unavailable", UNAVAILABLE),
}
MORE = {
    "hospital-3": (Colludes, "accepted", FULL_QUALITY),
    "hospital-4": (Colludes, "duplicate", REFUSED_QUALITY),
    "hospital-5": (Fails, None, None),
}


def run_with(finish, folder, faults, *changes):
    kinds = {name: kind for name, (kind, _, _) in faults.items()}
    trainers = len(faults) + 2
    settings = (f"trainers={trainers}", "rounds=3", "data.partition=iid", *changes)
    return finish(folder, *settings, app=app_of(kinds))


@pytest.fixture(scope="module")
def attacked(finish, tmp_path_factory):
    return run_with(finish, tmp_path_factory.mktemp("attacked") / "run", CONTENT)


@pytest.fixture(scope="module")
def attacked_more(finish, tmp_path_factory):
    folder = tmp_path_factory.mktemp("more") / "run"
    return run_with(finish, folder, MORE, "scoring.rule=examples")


def refusals(run, number: int) -> dict[str, str]:
    return {one.trainer: one.verdict for one in run.results.rounds[number - 1].refused}


def outcomes(run) -> list[str]:
    """Without the reason of a failure."""
    return [one.outcome.partition(":")[0] for one in run.results.rounds]


def rated(reputation: int, quality: int) -> int:
    """The contract's rule; an update that is unavailable counts nothing."""
    if quality == UNRATED:
        return reputation
    return reputation - reputation // 8 + (0 if quality == UNAVAILABLE else quality) // 8


def expected_reputation(*qualities: int) -> int:
    reputation = INITIAL_REPUTATION
    for quality in qualities:
        reputation = rated(reputation, quality)
    return reputation


def check_each_fault(run, faults) -> None:
    line_of = {line.trainer: line for line in run.record.manifest(run.record.round(BAD)).submissions}
    for one in run.results.contributors:
        _, verdict, quality = faults.get(one.name, (None, "accepted", FULL_QUALITY))
        if verdict is None:
            assert one.address not in line_of
            continue
        line = line_of[one.address]
        assert (one.name, line.verdict.value, line.quality) == (one.name, verdict, quality)
        assert (line.share > 0) == (verdict == "accepted"), one.name


def check_reputations(run, faults) -> None:
    for one in run.results.contributors:
        quality = faults.get(one.name, (None, "", FULL_QUALITY))[2]
        middle = () if quality is None else (quality,)
        expected = expected_reputation(FULL_QUALITY, *middle, FULL_QUALITY)
        assert (one.name, one.reputation) == (one.name, expected)


def check_that_nothing_stopped(run, faults) -> None:
    assert outcomes(run) == ["settled"] * 3
    everybody = {one.name for one in run.results.contributors}
    assert set(run.results.rounds[0].accepted) == set(run.results.rounds[2].accepted) == everybody
    refused = {name for name, (_, verdict, _) in faults.items() if verdict != "accepted"}
    assert set(run.results.rounds[1].accepted) == everybody - refused
    assert run.results.final.log_loss < run.results.initial.log_loss


def test_each_misbehaving_site_is_refused_by_name(attacked):
    check_each_fault(attacked, CONTENT)
    assert refusals(attacked, BAD) == {name: verdict for name, (_, verdict, _) in CONTENT.items()}


def test_the_round_closes_with_the_honest_and_the_next_one_takes_everybody_back(attacked):
    check_that_nothing_stopped(attacked, CONTENT)


def test_reputation_falls_for_a_refusal_and_recovers_slowly(attacked):
    check_reputations(attacked, CONTENT)


def test_a_round_with_refusals_verifies_and_says_what_it_cannot_check(attacked, verify):
    found = verify(attacked.folder)
    assert (found.code, found.said["counts"]["mismatch"]) == (0, 0)
    address = {one.name: one.address for one in attacked.results.contributors}
    never, late = sorted(found.texts("not checked", BAD), key=lambda text: "published late" in text)
    assert never.startswith(f"{address['hospital-7']}: called unavailable, and is:")
    assert late == f"{address['hospital-8']}: published late or denied: cannot be told apart"


@pytest.mark.slow
def test_sites_that_collude_are_paid_once_and_stop_nothing(attacked_more, verify):
    check_each_fault(attacked_more, MORE)
    check_reputations(attacked_more, MORE)
    found = verify(attacked_more.folder)
    assert (found.code, found.said["counts"]["mismatch"]) == (0, 0)


@pytest.mark.slow
def test_a_site_whose_app_raises_is_absent_and_the_round_ends_at_its_deadline(attacked_more):
    round_ = attacked_more.record.round(BAD)
    assert len(round_.submissions) == len(MORE) + 1
    assert round_.sealed is None
    assert round_.closed.at.time > round_.opened.deadline
    assert outcomes(attacked_more) == ["settled"] * 3


@pytest.mark.slow
def test_a_round_costs_what_the_protocol_allows(attacked_more):
    gas = attacked_more.results.rounds[2].gas  # the first round fills slots that were empty
    trainers = len(attacked_more.results.contributors)
    assert gas.submit <= 43_500 * (trainers - 1) + 45_500
    assert gas.close <= max(70_000 + 1_800 * trainers, 21_000 + 2_440 * trainers)
    assert gas.settle <= 35_000 + 7_000 * trainers


@pytest.mark.slow
def test_a_round_below_its_quorum_fails_and_the_next_one_goes_on_from_the_same_weights(
    finish, verify, tmp_path
):
    kinds = {"hospital-2": SendsNaN}
    run = finish(tmp_path / "run", "trainers=2", "rounds=3", app=app_of(kinds))
    first, second, _ = run.results.rounds
    assert outcomes(run) == ["settled", "failed", "settled"]
    assert second.credits == ()
    assert second.metrics == first.metrics
    rounds = run.record.rounds
    assert rounds[2].opened.weights == rounds[1].opened.weights == rounds[0].closed.weights
    paid = sum(int(one.earned) for one in run.results.contributors)
    task = run.record.ledger.task(1)
    assert task.pool + paid == 3 * task.reward
    found = verify(run.folder)
    assert found.code == 0
    assert "below_quorum" in found.texts("note", 2)[0]


@pytest.mark.slow
def test_a_round_that_nobody_can_train_in_fails_without_a_submission(finish, verify, tmp_path):
    kinds = dict.fromkeys(("hospital-1", "hospital-2"), Fails)
    run = finish(tmp_path / "run", "trainers=2", "rounds=3", app=app_of(kinds))
    assert outcomes(run) == ["settled", "failed", "settled"]
    found = verify(run.folder)
    assert found.code == 0
    assert found.texts("note", 2)[0].startswith("failed without a submission")
