// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IFederation, Member, Seat, Task} from "../../src/interfaces/IFederation.sol";
import {VM, Vm} from "../Vm.sol";
import {Handler} from "./Handler.sol";

contract FederationInvariantTest {
    Vm internal constant vm = VM;

    Handler internal handler;
    IFederation internal federation;

    function setUp() public {
        handler = new Handler();
        federation = handler.contractUnderTest();
    }

    /// @dev Where forge looks for what to call.
    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function invariant_every_unit_held_is_in_a_pool_a_reservation_or_a_balance() public view {
        uint256 owed = handler.reserved();
        for (uint256 task = 1; task <= handler.TASKS(); ++task) {
            owed += federation.taskOf(task).pool;
        }
        for (uint256 i; i < handler.ACTORS(); ++i) {
            owed += federation.memberOf(handler.actor(i)).balance;
        }
        vm.assertEq(handler.held(), owed, "held");
    }

    function invariant_a_final_outcome_stays() public view {
        for (uint256 task = 1; task <= handler.TASKS(); ++task) {
            for (uint256 round = 1; round <= handler.rounds(task); ++round) {
                bytes32 outcome = handler.finalOutcome(task, round);
                if (outcome != 0) vm.assertEq(federation.outcomeOf(task, round), outcome, "outcome");
            }
        }
    }

    function invariant_only_settlement_moves_a_reputation_and_only_within_bounds() public view {
        for (uint256 i; i < handler.ACTORS(); ++i) {
            Member memory member = federation.memberOf(handler.actor(i));
            vm.assertEq(member.reputation, handler.reputation(handler.actor(i)), "reputation");
            vm.assertGe(member.reputation, 7, "lowest");
            vm.assertLe(member.reputation, 10_000, "highest");
        }
    }

    function invariant_seats_are_counted() public view {
        for (uint256 task = 1; task <= handler.TASKS(); ++task) {
            uint256 joined;
            for (uint256 i; i < handler.ACTORS(); ++i) {
                if (federation.seatOf(task, handler.actor(i)).joined) ++joined;
            }
            vm.assertEq(federation.taskOf(task).joined, joined, "joined");
        }
    }

    function invariant_a_round_in_time_waits_for_exactly_the_seats_that_can_still_submit() public view {
        for (uint256 task = 1; task <= handler.TASKS(); ++task) {
            Task memory t = federation.taskOf(task);
            if (!t.open || handler.now_() > t.deadline) continue;
            vm.assertEq(t.expected - t.submitted, _awaited(task, t.round), "awaited");
        }
    }

    function invariant_round_numbers_only_grow_by_opening() public view {
        for (uint256 task = 1; task <= handler.TASKS(); ++task) {
            vm.assertEq(federation.taskOf(task).round, handler.rounds(task), "round");
        }
    }

    /// @dev At the end of every run: nobody is needed but time and outsiders, and nothing is left behind.
    function afterInvariant() public {
        handler.unwind();
        vm.assertEq(handler.held(), 0, "left behind");
        for (uint256 task = 1; task <= handler.TASKS(); ++task) {
            vm.assertTrue(!federation.taskOf(task).open, "idle");
            vm.assertEq(federation.taskOf(task).joined, 0, "seats");
        }
    }

    /// @dev Random calls that are all refused would prove nothing.
    function test_a_played_round_is_closed_and_settled() public {
        handler.play(0, 0);
        vm.assertGe(uint256(federation.outcomeOf(1, 1)), 4, "pending");
        handler.settle(0);
        vm.assertEq(uint256(federation.outcomeOf(1, 1)), 1, "settled");
    }

    function _awaited(uint256 task, uint256 round) private view returns (uint256 count) {
        for (uint256 i; i < handler.ACTORS(); ++i) {
            Seat memory seat = federation.seatOf(task, handler.actor(i));
            if (seat.joined && seat.since <= round && seat.last != round) ++count;
        }
    }
}
