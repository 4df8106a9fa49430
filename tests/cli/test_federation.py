"""`fl federation`: deployed, joined by members, shown."""

import pytest
from nodes import rpc

NOBODY = "0x" + "01" * 20


def member(desk, name):
    shown = desk.done("federation", "show", *desk.place)["members"]
    (found,) = [one for one in shown if one["name"] == name]
    return found


# --- deploying


def test_a_new_federation_belongs_to_the_key_and_pays_with_a_token_of_its_own(desk):
    made = desk.done("federation", "deploy", "--rpc", desk.rpc, "--key", desk.key("owner"))
    desk.contract = made["contract"]
    shown = desk.done("federation", "show", *desk.place)
    assert shown["owner"] == made["owner"] == desk.address("owner")
    assert shown["token"] == made["token"]
    assert (shown["tasks"], shown["paused"], shown["members"]) == (0, False, [])


def test_a_token_that_is_there_can_be_paid_with(office):
    token = office.done("federation", "show", *office.place)["token"]
    words = ("federation", "deploy", "--rpc", office.rpc, "--key", office.key("owner"), "--token")
    office.contract = office.done(*words, token)["contract"]
    assert office.done("federation", "show", *office.place)["token"] == token


def test_what_is_no_token_is_refused_before_anything_is_deployed(office):
    words = ("federation", "deploy", "--rpc", office.rpc, "--key", office.key("owner"), "--token")
    assert "is no token (ERC-20)" in office.refused(*words, office.contract)
    assert f"no contract at {NOBODY}" in office.refused(*words, NOBODY)
    assert "'zebra' is not an address" in office.refused(*words, "zebra")


def test_a_token_that_counts_in_other_units_is_refused(desk):
    owner = desk.account("owner")
    nonce = int(rpc(desk.rpc, "eth_getTransactionCount", owner.address, "pending"), 16)
    fees = {"maxFeePerGas": 5 * 10**9, "maxPriorityFeePerGas": 10**9, "gas": 100_000, "chainId": 31337}
    # its code answers everything with 6: PUSH1 6 PUSH0 MSTORE PUSH1 32 PUSH0 RETURN
    create = {"to": "", "value": 0, "data": "0x60088060095f395ff3" + "60065f5260205ff3", "nonce": nonce}
    raw = owner.sign_transaction(fees | create).raw_transaction
    sent = rpc(desk.rpc, "eth_sendRawTransaction", "0x" + raw.hex())
    token = rpc(desk.rpc, "eth_getTransactionReceipt", sent)["contractAddress"]
    words = ("federation", "deploy", "--rpc", desk.rpc, "--key", desk.key("owner"), "--token", token)
    assert "has 6 decimal places, and 18 are needed" in desk.refused(*words)


def test_an_account_without_coin_is_told_so(desk):
    words = ("federation", "deploy", "--rpc", desk.rpc, "--key", desk.key("stranger"))
    assert "has 0 wei" in desk.refused(*words, code=1)


def test_a_node_that_does_not_answer_is_a_failure_and_no_wrong_argument(desk):
    words = ("federation", "deploy", "--key", desk.key("owner"), "--rpc")
    assert "127.0.0.1:1" in desk.refused(*words, "http://127.0.0.1:1", code=1)
    assert "is no RPC endpoint" in desk.refused(*words, "http://[")
    assert "There is no chain file" in desk.refused(*words, "chain.sqlite")


# --- members


def test_an_admitted_member_is_shown_with_name_reputation_and_balance(office):
    office.admit("ada", "bert")
    shown = member(office, "ada")
    assert shown["member"] == shown["payee"] == office.address("ada")
    assert (shown["admitted"], shown["reputation"], shown["balance"]) == (True, 5000, 0)
    text = office.fl("federation", "show", *office.place).out
    assert all(one in text for one in ("ada", "bert", office.address("bert"), "5,000"))


def test_the_store_may_be_another_one_and_members_are_then_shown_by_address(office, tmp_path):
    office.admit("ada")
    assert office.fl("store", "new", "other").code == 0
    shown = office.done("federation", "show", *office.at, "--store", "other")["members"]
    assert [one["name"] for one in shown] == [office.address("ada")]


def test_only_the_owner_admits(office):
    words = ("federation", "admit", office.address("ada"), "--name", "ada", *office.place)
    said = office.refused(*words, "--key", office.key("ada"))
    assert f"belongs to {office.address('owner')}; the key in {office.key('ada')}" in said


def test_a_member_is_admitted_once_and_under_a_name_of_its_own(office):
    office.admit("ada")
    words = ("--name", "ada", *office.owned)
    assert "is a member already, called 'ada'" in office.refused(
        "federation", "admit", office.address("ada"), *words
    )
    assert f"{office.address('ada')} is called 'ada' already" in office.refused(
        "federation", "admit", office.address("bert"), *words
    )


@pytest.mark.parametrize("name", ["", " ada", "<b>ada</b>", "a\nda", "a" * 129])
def test_what_is_no_name_is_refused(office, name):
    words = ("federation", "admit", office.address("ada"), "--name", name, *office.owned)
    assert "cannot be a member's name" in office.refused(*words)
    assert office.done("federation", "show", *office.place)["members"] == []


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--contract", NOBODY, "no contract at"),
        ("--contract", "zebra", "is not an address"),
        ("--contract", "0x" + "aB" * 20, "was not copied well"),
        ("--store", "nowhere", "There is no store in nowhere"),
        ("--key", "nothing.key", "cannot be read"),
        ("--confirmations", "0", "--confirmations"),
    ],
)
def test_a_wrong_option_gets_a_sentence(office, option, value, sentence):
    words = ("federation", "admit", office.address("ada"), "--name", "ada", *office.owned)
    assert sentence in office.refused(*words, option, value)


# --- money


def test_the_owner_of_the_small_token_mints_it(office):
    words = ("--key", office.key("owner"))
    first = office.done("federation", "mint", "0.5", *office.at, *words)
    assert (first["holder"], first["balance"]) == (office.address("owner"), 5 * 10**17)
    second = office.done("federation", "mint", "2", *office.at, *words, "--to", office.address("ada"))
    assert (second["holder"], second["balance"]) == (office.address("ada"), 2 * 10**18)


def test_nobody_else_mints_it(office):
    words = ("federation", "mint", "1", *office.at, "--key", office.key("ada"))
    assert f"Only {office.address('owner')} can mint it" in office.refused(*words)


@pytest.mark.parametrize("amount", ["lots", "-1", "1e9", "0.0000000000000000001", "1,000", "inf"])
def test_what_is_no_amount_is_refused(office, amount):
    words = (*office.at, "--key", office.key("owner"), "--", amount)
    assert "is no amount of tokens" in office.refused("federation", "mint", *words)
