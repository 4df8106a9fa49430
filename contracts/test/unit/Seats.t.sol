// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IFederation, Result, Seat, Task} from "../../src/interfaces/IFederation.sol";
import {BaseTest} from "../BaseTest.sol";

contract SeatsTest is BaseTest {
    address internal immutable ALICE = _trainer(0);
    address internal immutable BOB = _trainer(1);

    /* JOIN */

    function test_nobody_joins_in_a_pause() public {
        _admit(ALICE);
        _pause();
        _expect(ALICE, IFederation.IsPaused.selector);
        federation.joinTask(task, TERMS, POLICY);
    }

    function test_nobody_joins_an_unknown_task() public {
        _admit(ALICE);
        _expect(ALICE, IFederation.UnknownTask.selector);
        federation.joinTask(2, TERMS, POLICY);
    }

    function test_nobody_joins_an_ended_task() public {
        _admit(ALICE);
        _end();
        _expect(ALICE, IFederation.TaskHasEnded.selector);
        federation.joinTask(task, TERMS, POLICY);
    }

    function test_consent_to_other_terms_is_refused() public {
        _admit(ALICE);
        _expect(ALICE, IFederation.WrongTerms.selector);
        federation.joinTask(task, keccak256("other terms"), POLICY);
    }

    function test_only_members_join() public {
        _expect(ALICE, IFederation.NotAdmitted.selector);
        federation.joinTask(task, TERMS, POLICY);
    }

    function test_a_member_joins_once() public {
        _seat(1);
        _expect(ALICE, IFederation.AlreadyJoined.selector);
        federation.joinTask(task, TERMS, POLICY);
    }

    function test_a_task_has_512_seats() public {
        _seat(512);
        address late = _trainer(512);
        _admit(late);
        _expect(late, IFederation.TaskFull.selector);
        federation.joinTask(task, TERMS, POLICY);

        _leave(ALICE);
        _join(late);
    }

    function test_the_next_round_expects_who_joins() public {
        _seat(2);
        _open(1);
        _admit(_trainer(2));
        vm.expectEmit(address(federation));
        emit IFederation.Joined(task, _trainer(2), TERMS, POLICY, 2);
        _join(_trainer(2));

        Seat memory seat = federation.seatOf(task, _trainer(2));
        vm.assertTrue(seat.joined, "joined");
        vm.assertEq(seat.since, 2, "since");
        vm.assertEq(_task().joined, 3, "seats");
        vm.assertEq(_task().expected, 2, "expected");
    }

    /* LEAVE */

    function test_who_has_no_seat_cannot_leave() public {
        _expect(ALICE, IFederation.NotJoined.selector);
        federation.leaveTask(task);
        _expect(ALICE, IFederation.NotJoined.selector);
        federation.leaveTask(2);
    }

    function test_leaving_works_removed_paused_and_ended() public {
        _seat(1);
        _remove(ALICE);
        _pause();
        _end();
        vm.expectEmit(address(federation));
        emit IFederation.Left(task, ALICE, ALICE);
        _leave(ALICE);
        vm.assertEq(_task().joined, 0, "seats");
        vm.assertTrue(!federation.seatOf(task, ALICE).joined, "left");
    }

    function test_leaving_before_submitting_lowers_what_is_expected() public {
        _seat(3);
        _open(1);
        _leave(ALICE);
        vm.assertEq(_task().expected, 2, "expected");
    }

    function test_leaving_after_submitting_leaves_the_submission_standing_and_paid() public {
        _seat(2);
        _open(1);
        _submit(1, ALICE);
        _leave(ALICE);
        vm.assertEq(_task().expected, 2, "expected");

        _submit(1, BOB);
        Result memory result = _result(1, 2);
        _settle(1, _close(1, result), result.entries);
        vm.assertEq(_balance(ALICE), REWARD / 2, "paid");
    }

    function test_the_last_awaited_trainer_seals_the_round_by_leaving() public {
        _seat(2);
        _open(1);
        _submit(1, ALICE);
        _wait(5);
        vm.expectEmit(address(federation));
        emit IFederation.RoundSealed(task, 1);
        _leave(BOB);
        vm.assertEq(_task().deadline, time, "sealed now");
    }

    function test_a_round_that_everybody_left_is_sealed_and_can_only_fail() public {
        _seat(2);
        _open(1);
        _leave(ALICE);
        _leave(BOB);
        vm.assertEq(_task().deadline, time, "sealed now");

        Result memory nothing = _result(1, 0);
        _expect(AGGREGATOR, IFederation.BelowQuorum.selector);
        federation.closeRound(task, 1, nothing);
        vm.prank(AGGREGATOR);
        federation.failRound(task, 1, REASON);
        vm.assertEq(_task().pool, POOL, "pool");
    }

    function test_leaving_after_the_deadline_changes_no_count() public {
        _seat(3);
        _open(1);
        _wait(WINDOW + 1);
        _leave(ALICE);
        vm.assertEq(_task().expected, 3, "expected");
        vm.assertEq(_task().deadline, time - 1, "deadline");
    }

    function test_leaving_between_rounds_changes_no_count() public {
        _sealFirstRound(3);
        _close(1, _result(1, 3));
        _leave(ALICE);
        vm.assertEq(_task().expected, 3, "expected");
        _open(2);
        vm.assertEq(_task().expected, 2, "next round");
    }

    function test_leaving_neither_counts_nor_seals_in_a_voided_round() public {
        _seat(2);
        _open(1);
        _void(1);
        _wait(5);
        _leave(ALICE);
        _leave(BOB);
        vm.assertEq(_task().expected, 2, "expected");
        vm.assertEq(_task().deadline, time - 5 + WINDOW, "deadline");
    }

    function test_leaving_and_joining_again_gives_no_second_count() public {
        _seat(3);
        _open(1);
        _leave(ALICE);
        _join(ALICE);
        _leave(ALICE);
        vm.assertEq(_task().expected, 2, "expected");

        _join(ALICE);
        _expect(ALICE, IFederation.NotExpected.selector);
        federation.submitUpdate(task, 1, _receipt(1, ALICE));
    }

    function test_leaving_and_joining_again_gives_no_second_submission() public {
        _seat(3);
        _open(1);
        _submit(1, ALICE);
        _leave(ALICE);
        _join(ALICE);
        _expect(ALICE, IFederation.NotExpected.selector);
        federation.submitUpdate(task, 1, _receipt(1, ALICE));

        _leave(ALICE);
        Task memory t = _task();
        vm.assertEq(t.expected, 3, "expected");
        vm.assertEq(t.submitted, 1, "submitted");
    }

    /* UNSEAT */

    function test_a_members_seat_cannot_be_taken_away() public {
        _seat(1);
        _expect(OWNER, IFederation.NotRemovable.selector);
        federation.unseat(task, ALICE);
    }

    function test_who_has_no_seat_cannot_be_unseated() public {
        _expect(OUTSIDER, IFederation.NotJoined.selector);
        federation.unseat(task, ALICE);
    }

    function test_a_removed_member_is_awaited_until_it_is_unseated() public {
        _seat(2);
        _open(1);
        _submit(1, BOB);
        _remove(ALICE);
        vm.assertEq(_task().expected, 2, "still awaited");

        vm.expectEmit(address(federation));
        emit IFederation.Left(task, ALICE, OUTSIDER);
        vm.prank(OUTSIDER);
        federation.unseat(task, ALICE);
        vm.assertEq(_task().expected, 1, "unseated");
        vm.assertEq(_task().deadline, time, "sealed now");
    }

    function test_a_removed_members_submission_stands_and_is_paid_in_full() public {
        _sealFirstRound(2);
        Result memory result = _result(1, 2);
        uint256 settleAfter = _close(1, result);
        _remove(ALICE);
        federation.unseat(task, ALICE);
        _settle(1, settleAfter, result.entries);

        vm.assertEq(_balance(ALICE), REWARD / 2, "paid");
        vm.assertEq(_reputation(ALICE), 5_625, "rated");
    }
}
