"""What people read of a task: rounds, payments and balances, also when sites and documents misbehave."""

import json

import pytest

from aggregator import statements
from aggregator.record import Record
from fl import wiring
from fl.canonical import sha256
from fl.cli import main
from fl.documents import Profile
from fl.errors import UsageError
from fl.ledger.accounts import account_from_seed
from fl.ledger.types import REFUSED_QUALITY
from fl.store.layout import cid_of
from fl.store.port import put_bytes


@pytest.fixture
def fl(federation, monkeypatch, capsys):
    """Type a command about the federation; returns its exit code and what it wrote to stdout."""
    return typed(federation, monkeypatch, capsys)


def typed(federation, monkeypatch, capsys, width=120):
    monkeypatch.setenv("COLUMNS", str(width))
    ledger = federation.ledger()
    monkeypatch.setattr(wiring, "open_ledger", lambda _place, sender=None: federation.ledger(sender))
    monkeypatch.setattr(wiring, "open_store", lambda _store: federation.store)
    place = [
        "--rpc",
        "here",
        "--contract",
        ledger.contract,
        "--task",
        str(federation.task),
        "--store",
        "here",
    ]

    def type_(*words):
        code = main([*words, *place])
        captured = capsys.readouterr()
        assert captured.err == ""
        return code, captured.out

    return type_


def profile(name, address):
    return Profile(name=name, did=f"did:pkh:eip155:31337:{address}", encryption_key=None)


# --- rounds and rewards


def test_a_copied_receipt_takes_nothing_from_the_line_of_the_site_that_wrote_it(federation):
    honest, thief, other = federation.sites
    announcement = federation.rounds().open()
    package = federation.submit(honest, announcement)
    federation.ledger(thief.account).submit_update(federation.task, 1, sha256(package.receipt))
    federation.submit(other, announcement)
    federation.rounds().finish()
    federation.rounds().settle_all()
    record = federation.record()

    (round_,) = statements.rounds(record)
    assert [(line.trainer, line.verdict, line.share, line.examples) for line in round_.submissions] == [
        (honest.address, "accepted", 0.5, 100),
        (thief.address, "not_bound", 0.0, None),
        (other.address, "accepted", 0.5, 300),
    ]
    (payment,) = statements.rewards(record).rounds
    assert {trainer: line.amount for trainer, line in payment.lines.items()} == {
        honest.address: int(federation.terms.reward) // 2,
        thief.address: 0,
        other.address: int(federation.terms.reward) // 2,
    }


def test_what_the_chain_says_is_shown_though_nobody_can_fetch_the_manifest(federation):
    federation.play({1: {"details": {"examples": 0}}})
    full = statements.rewards(federation.record()).rounds[0].lines
    for block, data in list(federation.blocks.items()):
        if data.startswith(b'{"aggregated"'):
            del federation.blocks[block]
    record = federation.record()
    lines = statements.rewards(record).rounds[0].lines
    assert [(one.share, one.amount, one.reputation) for one in lines.values()] == [
        (one.share, one.amount, one.reputation) for one in full.values()
    ]
    assert {one.verdict for one in lines.values()} == {""}
    qualities = [one.quality for one in statements.rounds(record)[0].submissions]
    assert qualities == ["full", str(REFUSED_QUALITY), "full"]


@pytest.mark.parametrize("width", [80, 120])
def test_every_name_and_amount_of_ten_members_is_readable_on_a_narrow_terminal(
    found, monkeypatch, capsys, width
):
    federation = found(sites=10)
    for site in federation.sites:
        put_bytes(federation.store, profile("Site", site.address).encode())
    federation.play()
    code, out = typed(federation, monkeypatch, capsys, width)("rewards")
    assert code == 0
    assert max(map(len, out.splitlines())) <= width
    assert "…" not in out
    assert out.count("(10.0%)") == 10
    for site in federation.sites:
        assert site.address in out


# --- withdrawing


def test_a_member_whose_profile_is_gone_is_paid_by_its_address(federation):
    federation.play()
    owner = Record(federation.ledger(federation.owner), federation.store, federation.task)
    first, second, third = (site.address for site in federation.sites)
    (paid,) = statements.withdraw(owner, first.lower())
    assert (paid.member, paid.name, paid.payee) == (first, first, first)
    assert federation.ledger().token_balance(first) == paid.amount > 0
    assert [one.member for one in statements.withdraw(owner, None)] == [second, third]
    with pytest.raises(UsageError, match="nothing to withdraw"):
        statements.withdraw(owner, None)


def test_a_replaced_member_and_its_successor_are_both_paid(federation):
    federation.play()
    site = federation.sites[0]
    old, key = site.address, account_from_seed(b"tests", "a new key")
    new = profile("Clinic", key.address)
    put_bytes(federation.store, new.encode())
    signature = federation.ledger(site.account).sign_replacement(old, key.address, new.id)
    federation.ledger(federation.owner).replace(old, key.address, new.id, signature)
    federation.ledger(key).join_task(federation.task, federation.terms.id, bytes(32))
    site.account, site.address = key, key.address
    federation.play()
    owner = Record(federation.ledger(federation.owner), federation.store, federation.task)
    assert [one.member for one in statements.withdraw(owner, "Clinic")] == [key.address]
    assert [one.member for one in statements.withdraw(owner, old)] == [old]


def test_an_address_that_was_never_a_member_is_nobody(federation):
    federation.play()
    with pytest.raises(UsageError, match="There is no member"):
        statements.withdraw(federation.record(), federation.operator.address)


# --- verifying


def unknown_rule(*_rule):
    raise UsageError("FedMystery is not installed.")


def checked(out):
    """The kinds of thing that the closing sentence says were checked, in one line of a wide terminal."""
    line = next(line for line in out.splitlines() if line.startswith("Checked: all "))
    return line.removeprefix("Checked: all ").rstrip(". ").split(", ")


def test_what_was_not_checked_is_named_and_not_among_what_was(federation, fl, monkeypatch):
    federation.play()
    monkeypatch.setattr("aggregator.cli.rules.build", lambda *_: federation.rule)
    code, out = fl("verify")
    assert code == 0
    assert "aggregates" in checked(out)
    assert "Not all checked" not in out

    monkeypatch.setattr("aggregator.cli.rules.build", unknown_rule)
    code, out = fl("verify")
    assert code == 0
    assert "aggregates" not in checked(out)
    assert "submissions" in checked(out)
    assert "Not all checked: aggregates (1)" in out

    said = json.loads(fl("verify", "--json")[1])
    assert said["unchecked"] == {"aggregates": 1}
    assert said["checked"] == checked(out)


def test_utilities_that_cannot_be_measured_are_not_called_checked(found, monkeypatch, capsys):
    federation = found(scoring="shapley")
    federation.play()
    monkeypatch.setattr("aggregator.cli.rules.build", lambda *_: federation.rule)
    code, out = typed(federation, monkeypatch, capsys)("verify")  # its terms name no model to measure
    assert code == 0
    assert "VERIFIED IN PART  1 round replayed: 0 mismatches, 1 not checked." in out
    assert "Not all checked: utilities (1)" in out
    assert "utilities" not in checked(out)
    assert "shares" in checked(out)


def test_a_mismatch_ends_without_a_word_of_what_was_checked(federation, fl, monkeypatch):
    federation.play()
    monkeypatch.setattr("aggregator.cli.rules.build", lambda *_: federation.rule)
    del federation.blocks[cid_of(federation.terms.encode()).digest]
    code, out = fl("verify")
    assert code == 1
    assert "NOT VERIFIED" in out
    assert "Checked:" not in out


def test_a_round_that_is_still_open_is_not_counted_as_replayed(federation, fl, monkeypatch):
    monkeypatch.setattr("aggregator.cli.rules.build", lambda *_: federation.rule)
    federation.play()
    federation.begin()
    _, out = fl("verify")
    assert "VERIFIED  1 round replayed, 1 still open: 0 mismatches, 0 not checked." in out
    _, out = fl("verify", "--json")
    said = json.loads(out)
    assert (said["rounds"], said["replayed"], said["verdict"]) == (2, 1, "verified")


def test_unpaid_work_is_counted_in_the_open(federation, fl, monkeypatch):
    monkeypatch.setattr("aggregator.cli.rules.build", lambda *_: federation.rule)
    federation.begin()
    federation.rounds().finish()
    federation.ledger(federation.owner).void_round(federation.task, 1, b"because".ljust(32, b"\0"))
    federation.begin()
    federation.ledger(federation.operator).fail_round(federation.task, 2, b"no reason".ljust(32, b"\0"))
    code, out = fl("verify")
    assert code == 0
    assert "1 round voided, 1 failed in spite of a quorum." in out
    said = json.loads(fl("verify", "--json")[1])
    assert (said["voided"], said["failed_in_spite_of_a_quorum"]) == (1, 1)


def test_a_refusal_that_nobody_can_prove_is_counted_for_the_aggregator_that_closed_its_round(
    federation, fl, monkeypatch
):
    monkeypatch.setattr("aggregator.cli.rules.build", lambda *_: federation.rule)
    packages = federation.begin({1: {"details": {"examples": 0}}})
    federation.rounds().finish()
    federation.rounds().settle_all()
    del federation.blocks[cid_of(packages[1].details).digest]
    code, out = fl("verify")
    assert code == 0
    assert "Not all checked: unproven refusals (1)" in out
    assert f"Unproven: 1 refusal for cause, in rounds that {federation.operator.address} closed." in out
    assert "verdicts" not in checked(out)
    said = json.loads(fl("verify", "--json")[1])
    assert said["unproven_refusals"] == {federation.operator.address: 1}
