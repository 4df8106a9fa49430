"""The ledger port: membership, payees and withdrawals."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fl.errors import UsageError
from fl.ledger.types import INITIAL_REPUTATION, Address, Member

NOBODY = Address("0x" + "00" * 20)


def test_only_the_owner_admits_removes_and_replaces(world, refused):
    ada, stranger, profile = world.address("ada"), world.address("stranger"), world.digest("profile")
    for call in (
        lambda: world.stranger.admit(ada, profile),
        lambda: world.stranger.remove(ada),
        lambda: world.stranger.replace(ada, stranger, profile, bytes(65)),
    ):
        with refused("OwnableUnauthorizedAccount", stranger):
            call()


def test_the_zero_address_and_the_federation_itself_are_no_members(world, refused):
    for unusable in (NOBODY, world.nobody.contract):
        with refused("BadAddress"):
            world.owner.admit(unusable, world.digest("profile"))


def test_a_member_is_admitted_once_at_a_time(world, refused):
    world.admit("ada")
    with refused("AlreadyAdmitted"):
        world.admit("ada")


def test_a_key_never_seen_has_no_reputation_and_pays_itself(world):
    assert world.nobody.member(world.address("ada")) == Member(balance=0, reputation=0, admitted=False)
    assert world.nobody.payee(world.address("ada")) == world.address("ada")


def test_a_first_admission_starts_in_the_middle(world):
    world.admit("ada")
    expected = Member(balance=0, reputation=INITIAL_REPUTATION, admitted=True)
    assert world.nobody.member(world.address("ada")) == expected


def test_only_a_member_can_be_removed(world, refused):
    with refused("NotAdmitted"):
        world.owner.remove(world.address("ada"))


def test_a_second_admission_keeps_reputation_balance_and_payee(world):
    world.paid("ada")
    ada = world.address("ada")
    world.ada.set_payee(ada, world.address("bert"))
    before = world.nobody.member(ada)
    world.owner.remove(ada)
    assert world.nobody.member(ada) == replace(before, admitted=False)
    world.admit("ada")
    assert world.nobody.member(ada) == before
    assert world.nobody.payee(ada) == world.address("bert")


# --- replacing a key


def signed_replacement(world, signer="ada", new="cleo", profile="profile of cleo"):
    old = world.address("ada")
    return getattr(world, signer).sign_replacement(old, world.address(new), world.digest(profile))


def replace_ada(world, signature, new="cleo"):
    profile = world.digest("profile of cleo")
    return world.owner.replace(world.address("ada"), world.address(new), profile, signature)


def test_only_a_member_can_be_replaced(world, refused):
    with refused("NotAdmitted"):
        replace_ada(world, signed_replacement(world))


def test_a_replacement_must_be_a_usable_key_never_seen(world, refused):
    world.admit("ada", "bert")
    with refused("AlreadyKnown"):
        replace_ada(world, signed_replacement(world), new="bert")
    with refused("BadAddress"):
        world.owner.replace(world.address("ada"), NOBODY, bytes(32), bytes(65))


def test_a_replacement_needs_the_payees_signature_over_exactly_it(world, refused):
    world.admit("ada")
    for signature in (
        signed_replacement(world, signer="bert"),
        signed_replacement(world, new="bert"),
        signed_replacement(world, profile="another"),
        signed_replacement(world)[:64],
        b"",
    ):
        with refused("BadSignature"):
            replace_ada(world, signature)


def test_a_replacement_inherits_reputation_and_payee_but_not_the_balance(world):
    world.paid("ada")
    world.ada.set_payee(world.address("ada"), world.address("bert"))
    before = world.nobody.member(world.address("ada"))
    replace_ada(world, signed_replacement(world, signer="bert"))
    assert world.nobody.member(world.address("ada")) == replace(before, admitted=False)
    assert world.nobody.member(world.address("cleo")) == replace(before, balance=0)
    assert world.nobody.payee(world.address("cleo")) == world.address("bert")
    assert world.nobody.payee(world.address("ada")) == world.address("bert")


def test_a_replaced_key_is_never_admitted_again(world, refused):
    world.admit("ada")
    replace_ada(world, signed_replacement(world))
    with refused("AlreadyKnown"):
        world.admit("ada")
    with refused("NotAdmitted"):
        replace_ada(world, signed_replacement(world))


# --- payees and money


def test_only_the_current_payee_names_the_next(world, refused):
    ada, bert = world.address("ada"), world.address("bert")
    for other in (world.owner, world.bert):
        with refused("NotPayee"):
            other.set_payee(ada, bert)
    world.ada.set_payee(ada, bert)
    with refused("NotPayee"):
        world.ada.set_payee(ada, ada)
    world.bert.set_payee(ada, world.address("cleo"))
    assert world.nobody.payee(ada) == world.address("cleo")


def test_nobody_is_paid_at_the_zero_address_or_the_federation(world, refused):
    for unusable in (NOBODY, world.nobody.contract):
        with refused("BadAddress"):
            world.ada.set_payee(world.address("ada"), unusable)


def test_there_is_nothing_to_withdraw_before_a_settlement_and_twice(world, refused):
    world.admit("ada")
    with refused("NothingToPay"):
        world.ada.withdraw(world.address("ada"))


def test_anyone_sends_a_balance_to_its_payee_and_only_there(world, refused):
    world.paid("ada")
    ada, bert = world.address("ada"), world.address("bert")
    world.ada.set_payee(ada, bert)
    world.stranger.withdraw(ada)
    assert world.nobody.token_balance(bert) == 1_000
    assert world.nobody.token_balance(ada) == 0
    assert world.nobody.member(ada).balance == 0
    with refused("NothingToPay"):
        world.ada.withdraw(ada)


# --- arguments


def test_an_argument_that_fits_no_type_of_the_contract_is_a_usage_error(world):
    ada = world.address("ada")
    for call in (
        lambda: world.owner.admit(Address(ada.lower()), bytes(32)),
        lambda: world.owner.admit(ada, b"short"),
        lambda: world.owner.end_task(-1),
        lambda: world.owner.create_task(world.params(reward=2**128)),
        lambda: world.nobody.member(Address("ada")),
        lambda: world.nobody.task(2**256),
        lambda: world.nobody.history(-1),
        lambda: world.nobody.history(2**256),
    ):
        with pytest.raises(UsageError):
            call()


def test_a_ledger_without_an_account_only_reads(world):
    assert world.nobody.account is None
    assert world.ada.account == world.address("ada")
    for call in (
        lambda: world.nobody.withdraw(world.address("ada")),
        lambda: world.nobody.sign_submission(1, 1, bytes(32)),
        lambda: world.nobody.sign_introduction(1, 1, 1),
    ):
        with pytest.raises(UsageError, match="only reads"):
            call()
