// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IFederation, Task, TaskParams} from "../../src/interfaces/IFederation.sol";
import {BaseTest} from "../BaseTest.sol";

contract RoundsTest is BaseTest {
    address internal immutable ALICE = _trainer(0);
    address internal immutable BOB = _trainer(1);

    /* OPEN */

    function test_only_the_aggregator_opens_rounds() public {
        _seat(2);
        _expect(OWNER, IFederation.NotAggregator.selector);
        federation.openRound(task, 1, WEIGHTS, _announcement(1));
    }

    function test_nobody_opens_rounds_of_an_unknown_task() public {
        _expect(AGGREGATOR, IFederation.NotAggregator.selector);
        federation.openRound(2, 1, WEIGHTS, _announcement(1));
    }

    function test_no_round_opens_in_a_pause() public {
        _seat(2);
        _pause();
        _expectNoOpening(1, WEIGHTS, IFederation.IsPaused.selector);
    }

    function test_no_round_opens_after_the_end() public {
        _seat(2);
        _end();
        _expectNoOpening(1, WEIGHTS, IFederation.TaskHasEnded.selector);
    }

    function test_no_round_opens_beside_another() public {
        _seat(2);
        _open(1);
        _expectNoOpening(2, WEIGHTS, IFederation.StillOpen.selector);
    }

    function test_rounds_are_numbered_one_by_one() public {
        _seat(2);
        _expectNoOpening(0, WEIGHTS, IFederation.WrongRound.selector);
        _expectNoOpening(2, WEIGHTS, IFederation.WrongRound.selector);
        _expectNoOpening(1 + 2 ** 32, WEIGHTS, IFederation.WrongRound.selector);
    }

    function test_a_round_number_is_never_used_twice() public {
        _seat(2);
        _open(1);
        _void(1);
        _expectNoOpening(1, WEIGHTS, IFederation.WrongRound.selector);
        _open(2);
    }

    function test_a_round_opens_on_the_tasks_weights_only() public {
        _seat(2);
        _expectNoOpening(1, keccak256("other weights"), IFederation.WrongBase.selector);
    }

    function test_a_round_needs_as_many_seats_as_the_quorum() public {
        _seat(1);
        _expectNoOpening(1, WEIGHTS, IFederation.NotEnoughTrainers.selector);
    }

    function test_a_round_needs_its_reward_in_the_pool() public {
        TaskParams memory params = _params();
        params.quorum = 1;
        task = _createTask(params);
        _fund(task, REWARD - 1);
        _seat(1);
        _expectNoOpening(1, WEIGHTS, IFederation.NotFunded.selector);
        _fund(task, 1);
        _open(1);
        vm.assertEq(_task().pool, 0, "pool");
    }

    function test_opening_reserves_the_reward_and_takes_the_count_of_seats() public {
        _seat(3);
        vm.roll(321);
        vm.expectEmit(address(federation));
        emit IFederation.RoundOpened(task, 1, WEIGHTS, _announcement(1), time + WINDOW, 3);
        vm.prank(AGGREGATOR);
        uint256 deadline = federation.openRound(task, 1, WEIGHTS, _announcement(1));

        Task memory t = _task();
        vm.assertEq(deadline, time + WINDOW, "deadline returned");
        vm.assertEq(t.deadline, deadline, "deadline");
        vm.assertEq(t.round, 1, "round");
        vm.assertTrue(t.open, "open");
        vm.assertEq(t.expected, 3, "expected");
        vm.assertEq(t.submitted, 0, "submitted");
        vm.assertEq(t.openedAt, 321, "opened at");
        vm.assertEq(t.pool, POOL - REWARD, "pool");
        vm.assertEq(t.accumulator, _seed(1), "accumulator");
    }

    function test_a_round_without_reward_opens_on_an_empty_pool() public {
        TaskParams memory params = _params();
        params.reward = 0;
        task = _createTask(params);
        _seat(2);
        _open(1);
        vm.assertTrue(_task().open, "open");
    }

    /* SUBMIT */

    function test_nothing_is_submitted_while_no_round_is_open() public {
        _seat(2);
        _expectNoSubmission(ALICE, 1, IFederation.NotOpen.selector);
        _open(1);
        _void(1);
        _expectNoSubmission(ALICE, 1, IFederation.NotOpen.selector);
    }

    function test_nothing_is_submitted_to_another_round() public {
        _seat(2);
        _open(1);
        _expectNoSubmission(ALICE, 0, IFederation.WrongRound.selector);
        _expectNoSubmission(ALICE, 2, IFederation.WrongRound.selector);
        _expectNoSubmission(ALICE, 1 + 2 ** 32, IFederation.WrongRound.selector);
    }

    function test_nothing_is_submitted_after_the_deadline() public {
        _seat(2);
        _open(1);
        _wait(WINDOW + 1);
        _expectNoSubmission(ALICE, 1, IFederation.Late.selector);
    }

    function test_a_submission_at_the_deadline_is_in_time() public {
        _seat(2);
        _open(1);
        _wait(WINDOW);
        _submit(1, ALICE);
        vm.assertEq(_task().submitted, 1, "submitted");
    }

    function test_a_removed_member_submits_nothing() public {
        _seat(2);
        _open(1);
        _remove(ALICE);
        _expectNoSubmission(ALICE, 1, IFederation.NotAdmitted.selector);
    }

    function test_a_member_without_a_seat_submits_nothing() public {
        _seat(2);
        _open(1);
        _admit(_trainer(2));
        _expectNoSubmission(_trainer(2), 1, IFederation.NotJoined.selector);
    }

    function test_who_joined_after_the_opening_submits_nothing() public {
        _seat(2);
        _open(1);
        _admit(_trainer(2));
        _join(_trainer(2));
        _expectNoSubmission(_trainer(2), 1, IFederation.NotExpected.selector);
    }

    function test_a_trainer_submits_once() public {
        _seat(2);
        _open(1);
        _submit(1, ALICE);
        _expectNoSubmission(ALICE, 1, IFederation.AlreadySubmitted.selector);
    }

    function test_a_submission_is_folded_into_the_accumulator() public {
        _seat(3);
        _open(1);
        bytes32 receipt = _receipt(1, ALICE);
        vm.expectEmit(address(federation));
        emit IFederation.UpdateSubmitted(task, 1, ALICE, receipt);
        _submit(1, ALICE);

        Task memory t = _task();
        vm.assertEq(t.accumulator, keccak256(abi.encode(_seed(1), ALICE, receipt)), "accumulator");
        vm.assertEq(t.submitted, 1, "submitted");
        vm.assertEq(t.deadline, time + WINDOW, "not sealed");
        vm.assertEq(federation.seatOf(task, ALICE).last, 1, "last");
    }

    function test_the_last_submission_seals_the_round() public {
        _seat(2);
        _open(1);
        _submit(1, ALICE);
        _wait(10);
        vm.expectEmit(address(federation));
        emit IFederation.RoundSealed(task, 1);
        _submit(1, BOB);
        vm.assertEq(_task().deadline, time, "sealed now");
    }

    function test_a_sealed_round_takes_nothing_more_in_the_same_second() public {
        _seat(3);
        _open(1);
        _submit(1, ALICE);
        _leave(_trainer(2));
        _submit(1, BOB);
        _join(_trainer(2));
        _expectNoSubmission(_trainer(2), 1, IFederation.NotExpected.selector);
        _expectNoSubmission(BOB, 1, IFederation.AlreadySubmitted.selector);
    }

    /* REVEAL */

    function test_nothing_is_revealed_of_a_round_that_never_opened() public {
        vm.expectRevert(IFederation.WrongRound.selector);
        federation.reveal(task, 0, ALICE, "");
        vm.expectRevert(IFederation.WrongRound.selector);
        federation.reveal(task, 1, ALICE, "");
    }

    function test_nothing_is_revealed_before_the_seal() public {
        _seat(2);
        _open(1);
        _submit(1, ALICE);
        vm.expectRevert(IFederation.TooEarly.selector);
        federation.reveal(task, 1, ALICE, "receipt");
        _wait(WINDOW);
        vm.expectRevert(IFederation.TooEarly.selector);
        federation.reveal(task, 1, ALICE, "receipt");
    }

    function test_anyone_reveals_once_the_round_is_sealed() public {
        _sealFirstRound(2);
        vm.expectEmit(address(federation));
        emit IFederation.ReceiptRevealed(task, 1, ALICE, "receipt");
        vm.prank(OUTSIDER);
        federation.reveal(task, 1, ALICE, "receipt");
    }

    function test_an_earlier_round_is_revealed_while_another_is_open() public {
        _seat(2);
        _open(1);
        _void(1);
        federation.reveal(task, 1, ALICE, "receipt");
        _open(2);
        federation.reveal(task, 1, ALICE, "receipt");
    }

    /* HELPERS */

    function _seed(uint256 round) private view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(federation), task, round, _announcement(round)));
    }

    function _expectNoOpening(uint256 round, bytes32 base, bytes4 selector) private {
        _expect(AGGREGATOR, selector);
        federation.openRound(task, round, base, _announcement(round));
    }

    function _expectNoSubmission(address trainer, uint256 round, bytes4 selector) private {
        _expect(trainer, selector);
        federation.submitUpdate(task, round, _receipt(round, trainer));
    }
}
