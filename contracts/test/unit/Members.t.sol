// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IFederation, Member, Result} from "../../src/interfaces/IFederation.sol";
import {BaseTest} from "../BaseTest.sol";
import {ContractWallet} from "../mocks/ContractWallet.sol";

contract MembersTest is BaseTest {
    uint256 internal constant PAYEE_KEY = 77;

    address internal immutable ALICE = _trainer(0);
    address internal immutable NEXT = vm.addr(99);
    address internal immutable PAYEE = vm.addr(PAYEE_KEY);

    /* ADMIT */

    function test_only_the_owner_admits() public {
        _expectNotOwner();
        federation.admit(ALICE, PROFILE);
    }

    function test_the_zero_address_is_not_admitted() public {
        _expect(OWNER, IFederation.BadAddress.selector);
        federation.admit(address(0), PROFILE);
    }

    function test_the_federation_itself_is_not_admitted() public {
        _expect(OWNER, IFederation.BadAddress.selector);
        federation.admit(address(federation), PROFILE);
    }

    function test_a_member_is_not_admitted_twice() public {
        _admit(ALICE);
        _expect(OWNER, IFederation.AlreadyAdmitted.selector);
        federation.admit(ALICE, PROFILE);
    }

    function test_a_replaced_key_is_never_admitted_again() public {
        _admit(ALICE);
        _replace(ALICE, NEXT, _key(0));
        _expect(OWNER, IFederation.AlreadyKnown.selector);
        federation.admit(ALICE, PROFILE);
    }

    function test_a_first_admission_starts_in_the_middle() public {
        vm.expectEmit(address(federation));
        emit IFederation.Admitted(ALICE, PROFILE);
        _admit(ALICE);

        Member memory member = federation.memberOf(ALICE);
        vm.assertTrue(member.admitted, "admitted");
        vm.assertEq(member.reputation, 5_000, "reputation");
        vm.assertEq(member.balance, 0, "balance");
        vm.assertEq(federation.payeeOf(ALICE), ALICE, "payee");
    }

    function test_a_second_admission_touches_neither_reputation_nor_balance_nor_payee() public {
        _earn();
        vm.prank(ALICE);
        federation.setPayee(ALICE, PAYEE);
        _remove(ALICE);
        _admit(ALICE);

        vm.assertEq(_reputation(ALICE), 5_625, "reputation");
        vm.assertEq(_balance(ALICE), REWARD / 2, "balance");
        vm.assertEq(federation.payeeOf(ALICE), PAYEE, "payee");
    }

    /* REMOVE */

    function test_only_the_owner_removes() public {
        _admit(ALICE);
        _expectNotOwner();
        federation.remove(ALICE);
    }

    function test_who_is_no_member_is_not_removed() public {
        _expect(OWNER, IFederation.NotAdmitted.selector);
        federation.remove(ALICE);
    }

    function test_removal_leaves_reputation_and_balance() public {
        _earn();
        vm.expectEmit(address(federation));
        emit IFederation.Removed(ALICE);
        _remove(ALICE);

        Member memory member = federation.memberOf(ALICE);
        vm.assertTrue(!member.admitted, "admitted");
        vm.assertEq(member.reputation, 5_625, "reputation");
        vm.assertEq(member.balance, REWARD / 2, "balance");
    }

    /* REPLACE */

    function test_only_the_owner_replaces() public {
        _admit(ALICE);
        bytes memory signature = _replacement(ALICE, NEXT, _key(0));
        _expectNotOwner();
        federation.replace(ALICE, NEXT, PROFILE, signature);
    }

    function test_who_is_no_member_is_not_replaced() public {
        bytes memory signature = _replacement(ALICE, NEXT, _key(0));
        _expect(OWNER, IFederation.NotAdmitted.selector);
        federation.replace(ALICE, NEXT, PROFILE, signature);
    }

    function test_the_zero_address_replaces_nobody() public {
        _admit(ALICE);
        bytes memory signature = _replacement(ALICE, address(0), _key(0));
        _expect(OWNER, IFederation.BadAddress.selector);
        federation.replace(ALICE, address(0), PROFILE, signature);
    }

    function test_the_federation_itself_replaces_nobody() public {
        _admit(ALICE);
        bytes memory signature = _replacement(ALICE, address(federation), _key(0));
        _expect(OWNER, IFederation.BadAddress.selector);
        federation.replace(ALICE, address(federation), PROFILE, signature);
    }

    function test_a_key_that_was_seen_before_replaces_nobody() public {
        _admit(ALICE);
        _admit(NEXT);
        _remove(NEXT);
        bytes memory signature = _replacement(ALICE, NEXT, _key(0));
        _expect(OWNER, IFederation.AlreadyKnown.selector);
        federation.replace(ALICE, NEXT, PROFILE, signature);
    }

    function test_a_member_is_not_replaced_by_itself() public {
        _admit(ALICE);
        bytes memory signature = _replacement(ALICE, ALICE, _key(0));
        _expect(OWNER, IFederation.AlreadyKnown.selector);
        federation.replace(ALICE, ALICE, PROFILE, signature);
    }

    function test_without_the_payees_signature_nobody_is_replaced() public {
        _admit(ALICE);
        vm.prank(ALICE);
        federation.setPayee(ALICE, PAYEE);
        bytes memory signature = _replacement(ALICE, NEXT, _key(0));
        _expect(OWNER, IFederation.BadSignature.selector);
        federation.replace(ALICE, NEXT, PROFILE, signature);
    }

    function test_a_signature_for_another_key_or_profile_replaces_nobody() public {
        _admit(ALICE);
        bytes memory signature = _replacement(ALICE, NEXT, _key(0));
        _expect(OWNER, IFederation.BadSignature.selector);
        federation.replace(ALICE, OUTSIDER, PROFILE, signature);
        _expect(OWNER, IFederation.BadSignature.selector);
        federation.replace(ALICE, NEXT, POLICY, signature);
    }

    function test_a_replacement_works_once() public {
        _admit(ALICE);
        bytes memory signature = _replacement(ALICE, NEXT, _key(0));
        vm.prank(OWNER);
        federation.replace(ALICE, NEXT, PROFILE, signature);
        _expect(OWNER, IFederation.NotAdmitted.selector);
        federation.replace(ALICE, NEXT, PROFILE, signature);
    }

    function test_the_next_key_inherits_reputation_and_payee_but_no_balance() public {
        _earn();
        bytes memory signature = _replacement(ALICE, NEXT, _key(0));
        vm.expectEmit(address(federation));
        emit IFederation.Replaced(ALICE, NEXT, PROFILE);
        vm.expectEmit(address(federation));
        emit IFederation.PayeeSet(NEXT, ALICE);
        vm.prank(OWNER);
        federation.replace(ALICE, NEXT, PROFILE, signature);

        Member memory next = federation.memberOf(NEXT);
        vm.assertTrue(next.admitted && !federation.memberOf(ALICE).admitted, "admitted");
        vm.assertEq(next.reputation, 5_625, "reputation");
        vm.assertEq(next.balance, 0, "next balance");
        vm.assertEq(_balance(ALICE), REWARD / 2, "old balance");
        vm.assertEq(federation.payeeOf(NEXT), ALICE, "payee");
        vm.assertEq(federation.successorOf(ALICE), NEXT, "successor");
    }

    function test_a_replaced_key_is_still_paid_for_a_pending_round() public {
        _sealFirstRound(2);
        Result memory result = _result(1, 2);
        uint256 settleAfter = _close(1, result);
        _replace(ALICE, NEXT, _key(0));
        _settle(1, settleAfter, result.entries);

        federation.withdraw(ALICE);
        vm.assertEq(token.balanceOf(ALICE), REWARD / 2, "paid");
        vm.assertEq(_reputation(NEXT), 5_000, "the next key is rated for its own rounds only");
    }

    function test_a_replaced_key_can_be_unseated_and_the_next_joins_itself() public {
        _admit(ALICE);
        _join(ALICE);
        _replace(ALICE, NEXT, _key(0));
        vm.assertTrue(!federation.seatOf(task, NEXT).joined, "a seat is not inherited");

        federation.unseat(task, ALICE);
        _join(NEXT);
        vm.assertEq(_task().joined, 1, "joined");
    }

    function test_a_contract_signs_as_payee() public {
        _admit(ALICE);
        ContractWallet wallet = new ContractWallet(PAYEE);
        vm.prank(ALICE);
        federation.setPayee(ALICE, address(wallet));
        _replace(ALICE, NEXT, PAYEE_KEY);
        vm.assertEq(federation.payeeOf(NEXT), address(wallet), "payee");
    }

    /* PAYEE */

    function test_only_the_payee_names_the_next() public {
        _expect(OUTSIDER, IFederation.NotPayee.selector);
        federation.setPayee(ALICE, OUTSIDER);
        _expect(OWNER, IFederation.NotPayee.selector);
        federation.setPayee(ALICE, OWNER);
    }

    function test_a_member_that_named_a_payee_has_no_further_say() public {
        vm.prank(ALICE);
        federation.setPayee(ALICE, PAYEE);
        _expect(ALICE, IFederation.NotPayee.selector);
        federation.setPayee(ALICE, ALICE);
    }

    function test_neither_zero_nor_the_federation_is_a_payee() public {
        _expect(ALICE, IFederation.BadAddress.selector);
        federation.setPayee(ALICE, address(0));
        _expect(ALICE, IFederation.BadAddress.selector);
        federation.setPayee(ALICE, address(federation));
    }

    function test_the_payee_names_the_next() public {
        vm.expectEmit(address(federation));
        emit IFederation.PayeeSet(ALICE, PAYEE);
        vm.prank(ALICE);
        federation.setPayee(ALICE, PAYEE);
        vm.prank(PAYEE);
        federation.setPayee(ALICE, NEXT);
        vm.assertEq(federation.payeeOf(ALICE), NEXT, "payee");
    }

    /* WITHDRAW */

    function test_an_empty_balance_is_not_withdrawn() public {
        _admit(ALICE);
        _expect(ALICE, IFederation.NothingToPay.selector);
        federation.withdraw(ALICE);
    }

    function test_a_balance_is_withdrawn_once() public {
        _earn();
        federation.withdraw(ALICE);
        _expect(ALICE, IFederation.NothingToPay.selector);
        federation.withdraw(ALICE);
    }

    function test_anyone_withdraws_but_only_the_payee_receives() public {
        _earn();
        vm.prank(ALICE);
        federation.setPayee(ALICE, PAYEE);
        _remove(ALICE);
        _pause();
        vm.expectEmit(address(federation));
        emit IFederation.Withdrawn(ALICE, PAYEE, REWARD / 2);
        vm.prank(OUTSIDER);
        uint256 amount = federation.withdraw(ALICE);

        vm.assertEq(amount, REWARD / 2, "amount");
        vm.assertEq(token.balanceOf(PAYEE), REWARD / 2, "received");
        vm.assertEq(_balance(ALICE), 0, "left");
    }

    /* HELPERS */

    /// @dev Alice earns half a reward and full marks in round 1.
    function _earn() private {
        _sealFirstRound(2);
        Result memory result = _result(1, 2);
        _settle(1, _close(1, result), result.entries);
    }

    function _replacement(address old, address next, uint256 key) private view returns (bytes memory) {
        return _sign(key, federation.replacementDigest(old, next, PROFILE));
    }

    function _replace(address old, address next, uint256 key) private {
        bytes memory signature = _replacement(old, next, key);
        vm.prank(OWNER);
        federation.replace(old, next, PROFILE, signature);
    }
}
