// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {IFederation, Result} from "../../src/interfaces/IFederation.sol";
import {BaseTest, IMintable} from "../BaseTest.sol";
import {HostileToken} from "../mocks/HostileToken.sol";

/// @notice What a payment token can do to the federation: Alice and Bob have earned half a reward each, task 1 runs and
/// task 2 has ended with something in its pool.
contract TokensTest is BaseTest {
    address internal immutable ALICE = _trainer(0);
    address internal immutable BOB = _trainer(1);
    address internal immutable PAYEE = vm.addr(77);
    uint256 internal constant EARNED = REWARD / 2;
    uint256 internal constant ENDED = 2;

    HostileToken internal hostile = new HostileToken();

    function setUp() public override {
        vm.warp(time);
        token = IMintable(address(hostile));
        federation = _deploy(address(token));
        task = _createTask(_params());
        _createTask(_params());
        _fund(task, POOL);
        _fund(ENDED, POOL);
        vm.prank(SPONSOR);
        federation.endTask(ENDED);
        _sealFirstRound(2);
        Result memory result = _result(1, 2);
        _settle(1, _close(1, result), result.entries);
        token.mint(OUTSIDER, POOL);
        vm.prank(OUTSIDER);
        token.approve(address(federation), POOL);
    }

    /* FEES */

    function test_what_does_not_arrive_in_full_is_not_funded() public {
        hostile.setMood(HostileToken.Mood.TakesFee);
        _expect(OUTSIDER, IFederation.WrongAmount.selector);
        federation.fund(task, 100);
        _assertNothingMoved();
    }

    function test_a_fee_on_the_way_out_is_the_receivers_and_nobody_elses() public {
        hostile.setMood(HostileToken.Mood.TakesFee);
        federation.withdraw(ALICE);
        federation.defund(ENDED);
        vm.assertEq(token.balanceOf(ALICE), EARNED - 1, "payee");
        vm.assertEq(token.balanceOf(SPONSOR), POOL - 1, "sponsor");
        vm.assertEq(token.balanceOf(address(federation)), _task().pool + _balance(BOB), "what is owed is held");
    }

    /* REFUSALS */

    function test_a_transfer_that_reverts_changes_nothing() public {
        _assertAllRefused(HostileToken.Mood.Reverts, abi.encodeWithSelector(HostileToken.Reverted.selector));
    }

    function test_a_transfer_that_returns_false_changes_nothing() public {
        bytes4 selector = SafeERC20.SafeERC20FailedOperation.selector;
        _assertAllRefused(HostileToken.Mood.ReturnsFalse, abi.encodeWithSelector(selector, token));
    }

    function test_a_refused_transfer_can_be_made_later() public {
        test_a_transfer_that_reverts_changes_nothing();
        hostile.setMood(HostileToken.Mood.Honest);
        _assertAllPaid();
    }

    function test_a_token_that_returns_nothing_is_as_good_as_another() public {
        hostile.setMood(HostileToken.Mood.ReturnsNothing);
        _assertAllPaid();
    }

    /* BARRED */

    function test_a_barred_payee_stops_nobody_else() public {
        hostile.setBarred(ALICE, true);
        vm.expectRevert(HostileToken.Barred.selector);
        federation.withdraw(ALICE);
        federation.withdraw(BOB);
        _sealRound(2, 2);
        Result memory result = _result(2, 2);
        _settle(2, _close(2, result), result.entries);

        vm.assertEq(token.balanceOf(BOB), EARNED, "Bob is paid");
        vm.assertEq(_balance(ALICE), 2 * EARNED, "Alice loses nothing");
    }

    function test_a_barred_payee_names_another_who_is_paid() public {
        test_a_barred_payee_stops_nobody_else();
        vm.prank(ALICE);
        federation.setPayee(ALICE, PAYEE);
        federation.withdraw(ALICE);
        vm.assertEq(token.balanceOf(PAYEE), 2 * EARNED, "paid");
    }

    function test_a_barred_sponsor_stops_nobody_else() public {
        hostile.setBarred(SPONSOR, true);
        vm.expectRevert(HostileToken.Barred.selector);
        federation.defund(ENDED);
        federation.withdraw(ALICE);
        vm.assertEq(federation.taskOf(ENDED).pool, POOL, "pool");
    }

    function test_a_barred_federation_goes_on_without_payment() public {
        hostile.setBarred(address(federation), true);
        _sealRound(2, 2);
        Result memory result = _result(2, 2);
        _settle(2, _close(2, result), result.entries);
        _leave(ALICE);
        vm.expectRevert(HostileToken.Barred.selector);
        federation.withdraw(ALICE);

        hostile.setBarred(address(federation), false);
        federation.withdraw(ALICE);
        vm.assertEq(token.balanceOf(ALICE), 2 * EARNED, "paid");
    }

    /* HELPERS */

    function _assertAllRefused(HostileToken.Mood mood, bytes memory refusal) private {
        hostile.setMood(mood);
        vm.prank(OUTSIDER);
        vm.expectRevert(refusal);
        federation.fund(task, 1);
        vm.expectRevert(refusal);
        federation.withdraw(ALICE);
        vm.expectRevert(refusal);
        federation.defund(ENDED);
        _assertNothingMoved();
    }

    function _assertAllPaid() private {
        vm.prank(OUTSIDER);
        federation.fund(task, 1);
        federation.withdraw(ALICE);
        federation.defund(ENDED);
        vm.assertEq(_task().pool, POOL - REWARD + 1, "funded");
        vm.assertEq(token.balanceOf(ALICE), EARNED, "withdrawn");
        vm.assertEq(token.balanceOf(SPONSOR), POOL, "defunded");
    }

    function _assertNothingMoved() private view {
        vm.assertEq(_task().pool, POOL - REWARD, "pool");
        vm.assertEq(federation.taskOf(ENDED).pool, POOL, "ended pool");
        vm.assertEq(_balance(ALICE), EARNED, "balance");
        vm.assertEq(token.balanceOf(address(federation)), 2 * POOL, "held");
        vm.assertEq(token.balanceOf(OUTSIDER), POOL, "funder");
    }
}
