// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IFederation, Result, TaskParams} from "../../src/interfaces/IFederation.sol";
import {BaseTest} from "../BaseTest.sol";

contract SettlementTest is BaseTest {
    bytes32 internal constant SETTLED = bytes32(uint256(1));
    bytes32 internal constant VOID = bytes32(uint256(2));
    bytes32 internal constant FAILED = bytes32(uint256(3));

    uint256 internal constant COUNT = 3;

    function setUp() public override {
        super.setUp();
        _seat(COUNT);
    }

    /* SETTLE */

    function test_a_round_that_was_not_closed_is_not_settled() public {
        _sealRound(1, COUNT);
        _expectNoSettlement(1, time, _result(1, COUNT).entries, IFederation.NotPending.selector);
    }

    function test_a_round_is_settled_once() public {
        (uint256 settleAfter, uint256[] memory entries) = _closed(1);
        _settle(1, settleAfter, entries);
        _expectNoSettlement(1, settleAfter, entries, IFederation.NotPending.selector);
    }

    function test_a_voided_round_is_not_settled() public {
        (uint256 settleAfter, uint256[] memory entries) = _closed(1);
        _void(1);
        _wait(SETTLE_DELAY);
        _expectNoSettlement(1, settleAfter, entries, IFederation.NotPending.selector);
    }

    function test_other_entries_are_not_settled() public {
        (uint256 settleAfter, uint256[] memory entries) = _closed(1);
        _wait(SETTLE_DELAY);
        entries[0] = _entry(_trainer(0), 2, ACCEPTED);
        _expectNoSettlement(1, settleAfter, entries, IFederation.WrongEntries.selector);
    }

    function test_another_time_is_not_settled() public {
        (uint256 settleAfter, uint256[] memory entries) = _closed(1);
        _expectNoSettlement(1, settleAfter - 1, entries, IFederation.WrongEntries.selector);
        _expectNoSettlement(1, 0, entries, IFederation.WrongEntries.selector);
    }

    function test_nothing_is_settled_before_the_delay_is_over() public {
        (uint256 settleAfter, uint256[] memory entries) = _closed(1);
        _wait(SETTLE_DELAY - 1);
        _expectNoSettlement(1, settleAfter, entries, IFederation.TooEarly.selector);
        _wait(1);
        federation.settleRound(task, 1, settleAfter, entries);
    }

    function test_without_a_delay_a_round_is_settled_at_once() public {
        TaskParams memory params = _params();
        params.settleDelay = 0;
        task = _createTask(params);
        _fund(task, REWARD);
        _join(_trainer(0));
        _join(_trainer(1));
        _sealRound(1, 2);
        _close(1, _result(1, 2));
        federation.settleRound(task, 1, time, _result(1, 2).entries);
        vm.assertEq(_outcome(1), SETTLED, "settled");
    }

    function test_shares_are_paid_in_proportion_and_dust_returns_to_the_pool() public {
        _sealRound(1, COUNT);
        Result memory result = _result(1, COUNT);
        result.entries[0] = _entry(_trainer(0), 1, ACCEPTED);
        result.entries[1] = _entry(_trainer(1), 2, ACCEPTED);
        result.entries[2] = _entry(_trainer(2), 4, ACCEPTED);
        uint256 settleAfter = _close(1, result);

        uint256[] memory credits = new uint256[](COUNT);
        uint256 paid;
        for (uint256 i; i < COUNT; ++i) {
            uint256 amount = REWARD * 2 ** i / 7;
            credits[i] = amount << 16 | 5_625;
            paid += amount;
        }
        _wait(SETTLE_DELAY);
        vm.expectEmit(address(federation));
        emit IFederation.RoundSettled(task, 1, paid, credits);
        vm.prank(OUTSIDER);
        federation.settleRound(task, 1, settleAfter, result.entries);

        vm.assertEq(_outcome(1), SETTLED, "settled");
        vm.assertEq(_balance(_trainer(2)), uint256(REWARD) * 4 / 7, "balance");
        vm.assertEq(_task().pool, POOL - paid, "dust");
        vm.assertTrue(paid < REWARD, "there is dust");
    }

    function test_without_shares_the_whole_reward_returns_to_the_pool() public {
        _sealRound(1, COUNT);
        Result memory result = _result(1, COUNT);
        for (uint256 i; i < COUNT; ++i) {
            result.entries[i] = _entry(_trainer(i), 0, ACCEPTED);
        }
        _settle(1, _close(1, result), result.entries);
        vm.assertEq(_task().pool, POOL, "pool");
        vm.assertEq(_reputation(_trainer(0)), 5_625, "rated all the same");
    }

    function test_quality_moves_the_reputation_and_not_the_share() public {
        _seatTwoMore();
        _sealRound(1, 5);
        Result memory result = _result(1, 5);
        result.entries[1] = _entry(_trainer(1), 0, ACCEPTED);
        result.entries[2] = _entry(_trainer(2), 0, REFUSED);
        result.entries[3] = _entry(_trainer(3), 0, UNAVAILABLE);
        result.entries[4] = _entry(_trainer(4), 0, UNRATED);
        _wait(CLOSE_WINDOW);
        _settle(1, _close(1, result), result.entries);

        vm.assertEq(_reputation(_trainer(0)), 5_625, "accepted");
        vm.assertEq(_reputation(_trainer(1)), 5_625, "accepted without a share");
        vm.assertEq(_reputation(_trainer(2)), 4_375, "refused");
        vm.assertEq(_reputation(_trainer(3)), 4_375, "unavailable");
        vm.assertEq(_reputation(_trainer(4)), 5_000, "unrated");
        vm.assertEq(_balance(_trainer(0)), REWARD, "the only share");
    }

    function test_pending_rounds_settle_in_any_order() public {
        (uint256 first, uint256[] memory firstEntries) = _closed(1);
        (uint256 second, uint256[] memory secondEntries) = _closed(2);
        _open(3);
        _settle(2, second, secondEntries);
        _settle(1, first, firstEntries);
        vm.assertEq(_balance(_trainer(0)), 2 * (uint256(REWARD) / 3), "paid twice");
    }

    /* VOID */

    function test_only_the_owner_voids() public {
        _open(1);
        _expectNotOwner();
        federation.voidRound(task, 1, REASON);
    }

    function test_an_unknown_task_has_no_round_to_void() public {
        _expect(OWNER, IFederation.UnknownTask.selector);
        federation.voidRound(2, 1, REASON);
    }

    function test_a_round_that_never_opened_is_not_voided() public {
        _expectNoVoid(0);
        _expectNoVoid(1);
    }

    function test_a_settled_round_is_not_voided() public {
        (uint256 settleAfter, uint256[] memory entries) = _closed(1);
        _settle(1, settleAfter, entries);
        _expectNoVoid(1);
    }

    function test_a_failed_round_is_not_voided() public {
        _sealRound(1, COUNT);
        _fail(1, AGGREGATOR);
        _expectNoVoid(1);
    }

    function test_a_round_is_voided_once() public {
        _closed(1);
        _void(1);
        _expectNoVoid(1);
    }

    function test_voiding_an_open_round_returns_the_reward() public {
        _open(1);
        vm.expectEmit(address(federation));
        emit IFederation.RoundVoided(task, 1, REASON);
        _void(1);
        vm.assertTrue(!_task().open, "idle");
        vm.assertEq(_task().pool, POOL, "pool");
        vm.assertEq(_task().weights, WEIGHTS, "weights");
        vm.assertEq(_outcome(1), VOID, "void");
    }

    function test_voiding_a_pending_round_returns_the_reward_and_keeps_the_weights() public {
        _closed(1);
        _void(1);
        vm.assertEq(_task().pool, POOL, "pool");
        vm.assertEq(_task().weights, _result(1, 0).weights, "weights");
        vm.assertEq(_reputation(_trainer(0)), 5_000, "nobody is rated");
    }

    function test_voiding_a_pending_round_leaves_the_open_one() public {
        _closed(1);
        _open(2);
        _void(1);
        vm.assertTrue(_task().open, "open");
        vm.assertEq(_task().pool, POOL - REWARD, "one reward reserved");
    }

    /* FAIL */

    function test_only_an_open_round_fails() public {
        _expect(AGGREGATOR, IFederation.NotOpen.selector);
        federation.failRound(task, 0, REASON);
        _closed(1);
        _expect(AGGREGATOR, IFederation.NotOpen.selector);
        federation.failRound(task, 1, REASON);
    }

    function test_another_round_does_not_fail() public {
        _sealRound(1, COUNT);
        _expect(AGGREGATOR, IFederation.WrongRound.selector);
        federation.failRound(task, 2, REASON);
    }

    function test_a_round_does_not_fail_before_the_seal() public {
        _open(1);
        _wait(WINDOW);
        _expect(AGGREGATOR, IFederation.TooEarly.selector);
        federation.failRound(task, 1, REASON);
    }

    function test_an_outsider_waits_for_the_end_of_the_close_window() public {
        _open(1);
        _wait(WINDOW + CLOSE_WINDOW);
        _expect(OUTSIDER, IFederation.TooEarly.selector);
        federation.failRound(task, 1, REASON);
        _wait(1);
        _fail(1, OUTSIDER);
        vm.assertTrue(!_task().open, "idle");
    }

    function test_the_aggregator_fails_a_sealed_round_at_once() public {
        _sealRound(1, COUNT);
        vm.expectEmit(address(federation));
        emit IFederation.RoundFailed(task, 1, REASON, AGGREGATOR);
        _fail(1, AGGREGATOR);
        vm.assertEq(_outcome(1), FAILED, "failed");
        vm.assertEq(_task().pool, POOL, "pool");
        vm.assertEq(_task().weights, WEIGHTS, "weights");
        vm.assertEq(_reputation(_trainer(0)), 5_000, "nobody is rated");
    }

    /* HELPERS */

    function _closed(uint256 round) private returns (uint256 settleAfter, uint256[] memory entries) {
        _sealRound(round, COUNT);
        Result memory result = _result(round, COUNT);
        return (_close(round, result), result.entries);
    }

    /// @dev Seats two more, five in all.
    function _seatTwoMore() private {
        for (uint256 i = COUNT; i < 5; ++i) {
            _admit(_trainer(i));
            _join(_trainer(i));
        }
    }

    function _fail(uint256 round, address by) private {
        vm.prank(by);
        federation.failRound(task, round, REASON);
    }

    function _expectNoSettlement(uint256 round, uint256 settleAfter, uint256[] memory entries, bytes4 selector)
        private
    {
        _expect(OUTSIDER, selector);
        federation.settleRound(task, round, settleAfter, entries);
    }

    function _expectNoVoid(uint256 round) private {
        _expect(OWNER, IFederation.NotPending.selector);
        federation.voidRound(task, round, REASON);
    }
}
