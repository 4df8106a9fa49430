// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Member, Task, TaskParams} from "../../src/interfaces/IFederation.sol";
import {World} from "./World.sol";

/// @notice The invariants, as sentences. What the federation holds is what the model holds, so that nothing changes but
/// by the calls that may change it.
abstract contract Rules is World {
    function checkRules() external view {
        uint256 owed = donated;
        for (uint256 who; who < KEYS; ++who) {
            owed += _a_balance_grows_by_settlement_and_falls_only_to_the_payee(who);
        }
        for (uint256 id = 1; id <= taskCount; ++id) {
            Task memory t = federation.taskOf(id);
            owed += t.pool + _reserved(id);
            _terms_and_numbers_never_change(id, t);
            _only_the_calls_of_a_round_change_its_counters(id, t);
            _a_round_in_time_waits_for_exactly_who_can_still_submit(id, t);
            _rounds_end_once_and_pay_at_most_their_reward(id);
        }
        _equal(token.balanceOf(address(federation)), owed, "every unit is in a pool, a reservation or a balance");
        _what_was_paid_is_where_it_belongs();
    }

    function checkAllRounds() external view {
        for (uint256 id = 1; id <= taskCount; ++id) {
            for (uint256 round = 1; round <= tasks[id].round; ++round) {
                _a_round_ends_once_and_pays_at_most_its_reward(id, round);
            }
        }
    }

    function _a_balance_grows_by_settlement_and_falls_only_to_the_payee(uint256 who) private view returns (uint256) {
        Member memory member = federation.memberOf(people[who]);
        _equal(member.balance, balance[who], "balance");
        _equal(federation.payeeOf(people[who]), people[payee[who]], "payee");
        _true(member.admitted == _has(admitted, who), "admitted");
        _a_reputation_is_moved_by_settlement_and_inherited_once(who, member.reputation);
        return member.balance;
    }

    function _a_reputation_is_moved_by_settlement_and_inherited_once(uint256 who, uint256 actual) private view {
        _equal(actual, reputation[who], "reputation");
        address next = successor[who] == 0 ? address(0) : people[successor[who] - 1];
        _equal(federation.successorOf(people[who]), next, "successor");
        if (!_has(known, who)) return;
        _true(actual >= 7 && actual <= 10_000, "a reputation within 7 and 10,000");
    }

    function _terms_and_numbers_never_change(uint256 id, Task memory t) private view {
        TaskParams storage p = tasks[id].params;
        _equal(t.terms, p.terms, "terms");
        _equal(t.sponsor, p.sponsor, "sponsor");
        _equal(t.reward, p.reward, "reward");
        _equal(t.quorum, p.quorum, "quorum");
        _equal(t.window, p.window, "window");
        _equal(t.closeWindow, p.closeWindow, "close window");
        _equal(t.settleDelay, p.settleDelay, "settle delay");
    }

    function _only_the_calls_of_a_round_change_its_counters(uint256 id, Task memory t) private view {
        TaskModel storage model = tasks[id];
        _equal(t.round, model.round, "round");
        _equal(t.deadline, model.deadline, "deadline");
        _equal(t.weights, model.weights, "weights");
        _equal(t.aggregator, model.aggregator, "aggregator");
        _equal(t.pool, model.pool, "pool");
        _equal(t.joined, _count(model.seats), "joined");
        _equal(t.submitted, model.submitters.length, "submitted");
        _true(t.open == model.open && t.ended == model.ended, "open and ended");
    }

    function _a_round_in_time_waits_for_exactly_who_can_still_submit(uint256 id, Task memory t) private view {
        if (!t.open || time > t.deadline) return;
        _equal(t.expected - t.submitted, _count(tasks[id].awaited), "awaited");
    }

    /// @dev The latest few; `afterInvariant` looks at all.
    function _rounds_end_once_and_pay_at_most_their_reward(uint256 id) private view {
        uint256 last = tasks[id].round;
        for (uint256 round = last; round + 3 > last && round != 0; --round) {
            _a_round_ends_once_and_pays_at_most_its_reward(id, round);
        }
    }

    function _a_round_ends_once_and_pays_at_most_its_reward(uint256 id, uint256 round) internal view {
        RoundModel storage r = rounds[id][round];
        _equal(federation.outcomeOf(id, round), _outcomeOf(r), "outcome");
        _true(r.paid <= (r.stage == Stage.Settled ? tasks[id].params.reward : 0), "paid");
    }

    function _outcomeOf(RoundModel storage r) private view returns (bytes32) {
        if (r.stage == Stage.Pending) return keccak256(abi.encode(r.settleAfter, r.entries));
        return r.stage < Stage.Pending ? bytes32(0) : bytes32(uint256(r.stage) - uint256(Stage.Pending));
    }

    /// @dev Rewards of open and pending rounds.
    function _reserved(uint256 id) private view returns (uint256) {
        return ((tasks[id].open ? 1 : 0) + tasks[id].pending) * tasks[id].params.reward;
    }

    function _what_was_paid_is_where_it_belongs() private view {
        for (uint256 i; i < PEOPLE; ++i) {
            _equal(token.balanceOf(people[i]), received[i], "received");
        }
    }

    /* CHECKS: cheatcodes cost more than the rest, so they are left for what is wrong */

    function _equal(uint256 actual, uint256 expected, string memory what) private pure {
        if (actual != expected) vm.assertEq(actual, expected, what);
    }

    function _equal(address actual, address expected, string memory what) private pure {
        if (actual != expected) vm.assertEq(actual, expected, what);
    }

    function _equal(bytes32 actual, bytes32 expected, string memory what) private pure {
        if (actual != expected) vm.assertEq(actual, expected, what);
    }

    function _true(bool condition, string memory what) private pure {
        if (!condition) vm.assertTrue(condition, what);
    }
}
