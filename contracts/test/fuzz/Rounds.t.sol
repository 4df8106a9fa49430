// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IFederation, Result, TaskParams} from "../../src/interfaces/IFederation.sol";
import {BaseTest} from "../BaseTest.sol";

contract RoundsFuzzTest is BaseTest {
    uint256 internal constant COUNT = 5;

    /* MONEY */

    function testFuzz_a_round_pays_each_its_part_and_returns_the_rest(uint128 reward, uint32[COUNT] memory shares)
        public
    {
        _taskWithReward(reward);
        _sealFirstRound(COUNT);
        Result memory result = _result(1, COUNT);
        uint256 sum;
        for (uint256 i; i < COUNT; ++i) {
            result.entries[i] = _entry(_trainer(i), shares[i], ACCEPTED);
            sum += shares[i];
        }
        _settle(1, _close(1, result), result.entries);

        uint256 paid;
        for (uint256 i; i < COUNT; ++i) {
            uint256 part = sum == 0 ? 0 : uint256(reward) * shares[i] / sum;
            vm.assertEq(_balance(_trainer(i)), part, "balance");
            paid += part;
        }
        vm.assertEq(_task().pool, reward - paid, "returned");
    }

    function testFuzz_every_unit_funded_can_leave_again(uint128 reward, uint32[COUNT] memory shares) public {
        testFuzz_a_round_pays_each_its_part_and_returns_the_rest(reward, shares);
        uint256 others = token.balanceOf(address(federation)) - reward;
        _end();
        if (_task().pool != 0) federation.defund(task);
        for (uint256 i; i < COUNT; ++i) {
            if (_balance(_trainer(i)) != 0) federation.withdraw(_trainer(i));
        }
        vm.assertEq(token.balanceOf(address(federation)), others, "what other tasks hold");
    }

    /* ONLY EXACTLY THE SUBMISSIONS */

    function testFuzz_one_changed_bit_is_refused(uint256 index, uint8 bit, bool inReceipt) public {
        _sealFirstRound(COUNT);
        Result memory result = _result(1, COUNT);
        index = _bound(index, 0, COUNT - 1);
        if (inReceipt) result.receipts[index] ^= bytes32(1 << bit);
        else result.entries[index] ^= 1 << _bound(bit, 48, 207);
        _expect(AGGREGATOR, IFederation.Incomplete.selector);
        federation.closeRound(task, 1, result);
    }

    function testFuzz_any_other_order_is_refused(uint256 first, uint256 second) public {
        _sealFirstRound(COUNT);
        Result memory result = _result(1, COUNT);
        first = _bound(first, 0, COUNT - 2);
        second = _bound(second, first + 1, COUNT - 1);
        (result.entries[first], result.entries[second]) = (result.entries[second], result.entries[first]);
        (result.receipts[first], result.receipts[second]) = (result.receipts[second], result.receipts[first]);
        _expect(AGGREGATOR, IFederation.Incomplete.selector);
        federation.closeRound(task, 1, result);
    }

    function testFuzz_other_entries_are_not_settled(uint256 index, uint8 bit) public {
        _sealFirstRound(COUNT);
        Result memory result = _result(1, COUNT);
        uint256 settleAfter = _close(1, result);
        _wait(SETTLE_DELAY);
        result.entries[_bound(index, 0, COUNT - 1)] ^= 1 << bit;
        vm.expectRevert(IFederation.WrongEntries.selector);
        federation.settleRound(task, 1, settleAfter, result.entries);
    }

    /* SIGNATURES */

    function testFuzz_a_signature_is_for_one_submission(uint256 task_, uint256 round, bytes32 receipt) public {
        _seat(2);
        _open(1);
        bytes memory signature = _sign(_key(0), federation.submissionDigest(_trainer(0), task_, round, receipt));
        bool same = task_ == task && round == 1 && receipt == _receipt(1, _trainer(0));
        vm.assume(!same);
        vm.expectRevert(IFederation.BadSignature.selector);
        federation.submitUpdateFor(_trainer(0), task, 1, _receipt(1, _trainer(0)), signature);
    }

    function testFuzz_random_bytes_are_no_signature(bytes calldata signature) public {
        _seat(2);
        _open(1);
        vm.expectRevert(IFederation.BadSignature.selector);
        federation.submitUpdateFor(_trainer(0), task, 1, _receipt(1, _trainer(0)), signature);
    }

    /* TIME */

    function testFuzz_a_submission_is_in_time_up_to_the_deadline(uint32 elapsed) public {
        _seat(2);
        _open(1);
        _wait(elapsed);
        if (elapsed > WINDOW) _expect(_trainer(0), IFederation.Late.selector);
        else vm.prank(_trainer(0));
        federation.submitUpdate(task, 1, _receipt(1, _trainer(0)));
    }

    function testFuzz_unavailable_waits_for_half_of_any_close_window(uint32 closeWindow, uint32 elapsed) public {
        TaskParams memory params = _params();
        params.closeWindow = uint32(_bound(closeWindow, 2, type(uint32).max));
        task = _createTask(params);
        _fund(task, REWARD);
        _sealFirstRound(3);
        Result memory result = _result(1, 3);
        result.entries[0] = _entry(_trainer(0), 0, UNAVAILABLE);
        uint256 after_ = _bound(elapsed, 0, params.closeWindow);
        _wait(after_);
        if (2 * after_ > params.closeWindow) vm.prank(AGGREGATOR);
        else _expect(AGGREGATOR, IFederation.UnavailableTooEarly.selector);
        federation.closeRound(task, 1, result);
    }

    function testFuzz_time_and_an_outsider_end_any_open_round(uint8 submitters, uint8 leavers, uint8 removed) public {
        _seat(COUNT);
        _open(1);
        for (uint256 i; i < COUNT; ++i) {
            if (submitters >> i & 1 != 0) _submit(1, _trainer(i));
            if (leavers >> i & 1 != 0) _leave(_trainer(i));
            if (removed >> i & 1 != 0) _remove(_trainer(i));
        }
        _pause();
        _wait(uint256(WINDOW) + CLOSE_WINDOW + 1);
        vm.prank(OUTSIDER);
        federation.failRound(task, 1, REASON);
        vm.assertTrue(!_task().open, "idle");
        vm.assertEq(_task().pool, POOL, "pool");
    }

    /* HELPERS */

    function _taskWithReward(uint128 reward) private {
        vm.assume(reward <= type(uint128).max - POOL);
        TaskParams memory params = _params();
        params.reward = reward;
        task = _createTask(params);
        _fund(task, reward);
    }
}
