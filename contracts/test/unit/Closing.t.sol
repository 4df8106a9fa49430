// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IFederation, Result, Task} from "../../src/interfaces/IFederation.sol";
import {BaseTest} from "../BaseTest.sol";

contract ClosingTest is BaseTest {
    uint256 internal constant COUNT = 3;

    function setUp() public override {
        super.setUp();
        _seat(COUNT);
        _open(1);
    }

    function test_only_the_aggregator_closes() public {
        _submitAll();
        Result memory result = _result(1, COUNT);
        _expect(OWNER, IFederation.NotAggregator.selector);
        federation.closeRound(task, 1, result);
    }

    function test_only_an_open_round_is_closed() public {
        _submitAll();
        Result memory result = _result(1, COUNT);
        _close(1, result);
        _expectRefusal(result, IFederation.NotOpen.selector);
    }

    function test_another_round_is_not_closed() public {
        _submitAll();
        Result memory result = _result(1, COUNT);
        _expect(AGGREGATOR, IFederation.WrongRound.selector);
        federation.closeRound(task, 2, result);
    }

    function test_a_round_is_not_closed_before_the_seal() public {
        _submit(1, _trainer(0));
        _submit(1, _trainer(1));
        _wait(WINDOW);
        _expectRefusal(_result(1, 2), IFederation.TooEarly.selector);
        _wait(1);
        _close(1, _result(1, 2));
    }

    function test_a_round_is_not_closed_after_the_close_window() public {
        _submitAll();
        _wait(CLOSE_WINDOW + 1);
        _expectRefusal(_result(1, COUNT), IFederation.Late.selector);
    }

    function test_a_round_is_closed_in_the_last_second_of_the_close_window() public {
        _submitAll();
        _wait(CLOSE_WINDOW);
        _close(1, _result(1, COUNT));
        vm.assertTrue(!_task().open, "closed");
    }

    /* EXACTLY THE SUBMISSIONS */

    function test_no_submission_is_left_out() public {
        _submitAll();
        _expectRefusal(_result(1, COUNT - 1), IFederation.Incomplete.selector);
    }

    function test_no_submission_is_added() public {
        _submitAll();
        _expectRefusal(_result(1, COUNT + 1), IFederation.Incomplete.selector);
    }

    function test_a_wrong_count_is_refused_before_any_entry_is_looked_at() public {
        _submitAll();
        Result memory result = _result(1, COUNT + 1);
        result.entries[0] = _entry(_trainer(0), 1, REFUSED);
        _expectRefusal(result, IFederation.Incomplete.selector);
    }

    function test_every_entry_has_its_receipt() public {
        _submitAll();
        Result memory result = _result(1, COUNT);
        result.receipts = new bytes32[](COUNT - 1);
        _expectRefusal(result, IFederation.Incomplete.selector);
    }

    function test_another_trainer_is_refused() public {
        _submitAll();
        Result memory result = _result(1, COUNT);
        result.entries[1] = _entry(OUTSIDER, 1, ACCEPTED);
        _expectRefusal(result, IFederation.Incomplete.selector);
    }

    function test_another_receipt_is_refused() public {
        _submitAll();
        Result memory result = _result(1, COUNT);
        result.receipts[1] = keccak256("other receipt");
        _expectRefusal(result, IFederation.Incomplete.selector);
    }

    function test_another_order_is_refused() public {
        _submitAll();
        Result memory result = _result(1, COUNT);
        (result.entries[0], result.entries[1]) = (result.entries[1], result.entries[0]);
        (result.receipts[0], result.receipts[1]) = (result.receipts[1], result.receipts[0]);
        _expectRefusal(result, IFederation.Incomplete.selector);
    }

    function test_another_announcement_is_refused() public {
        _submitAll();
        Result memory result = _result(1, COUNT);
        result.announcement = _announcement(2);
        _expectRefusal(result, IFederation.Incomplete.selector);
    }

    /* ENTRIES */

    function test_an_unknown_quality_is_refused() public {
        _submitAll();
        uint16[6] memory unknown = [1, 5_000, 9_999, 10_001, 20_000, 0xFFFD];
        for (uint256 i; i < unknown.length; ++i) {
            _expectBadEntry(2, _entry(_trainer(2), 0, unknown[i]));
        }
    }

    function test_only_accepted_entries_have_a_share() public {
        _submitAll();
        _wait(CLOSE_WINDOW);
        _expectBadEntry(0, _entry(_trainer(0), 1, REFUSED));
        _expectBadEntry(1, _entry(_trainer(1), 1, UNAVAILABLE));
        _expectBadEntry(2, _entry(_trainer(2), 1, UNRATED));
    }

    function test_bits_beyond_the_trainer_are_refused() public {
        _submitAll();
        _expectBadEntry(0, _entry(_trainer(0), 1, ACCEPTED) | 1 << 208);
        _expectBadEntry(0, _entry(_trainer(0), 1, ACCEPTED) | 1 << 255);
    }

    function test_the_quorum_counts_accepted_entries_only() public {
        _submitAll();
        Result memory result = _result(1, COUNT);
        result.entries[0] = _entry(_trainer(0), 0, REFUSED);
        result.entries[1] = _entry(_trainer(1), 0, UNRATED);
        _expectRefusal(result, IFederation.BelowQuorum.selector);

        result.entries[1] = _entry(_trainer(1), 0, ACCEPTED);
        _close(1, result);
    }

    function test_the_new_weights_are_not_nothing() public {
        _submitAll();
        Result memory result = _result(1, COUNT);
        result.weights = 0;
        _expectRefusal(result, IFederation.BadParams.selector);
    }

    function test_nothing_is_called_unavailable_before_half_the_close_window() public {
        _submitAll();
        Result memory result = _result(1, COUNT);
        result.entries[0] = _entry(_trainer(0), 0, UNAVAILABLE);
        _wait(CLOSE_WINDOW / 2);
        _expectRefusal(result, IFederation.UnavailableTooEarly.selector);
        _wait(1);
        _close(1, result);
    }

    function test_after_a_time_out_the_close_window_counts_from_the_deadline() public {
        _submit(1, _trainer(0));
        _submit(1, _trainer(1));
        _wait(WINDOW + CLOSE_WINDOW);
        _close(1, _result(1, 2));
        vm.assertTrue(!_task().open, "closed");
    }

    /* EFFECT */

    function test_closing_puts_the_new_weights_in_force_and_waits_for_the_settlement() public {
        _submitAll();
        Result memory result = _result(1, COUNT);
        vm.expectEmit(address(federation));
        emit IFederation.RoundClosed(task, 1, result.weights, result.manifest, time + SETTLE_DELAY, result.entries);
        uint256 settleAfter = _close(1, result);

        Task memory t = _task();
        vm.assertTrue(!t.open, "closed");
        vm.assertEq(t.weights, result.weights, "weights");
        vm.assertEq(t.pool, POOL - REWARD, "still reserved");
        vm.assertEq(_outcome(1), keccak256(abi.encode(settleAfter, result.entries)), "pending");
        vm.assertEq(_balance(_trainer(0)), 0, "nobody is paid yet");
    }

    function test_the_next_round_opens_while_one_is_pending() public {
        _submitAll();
        _close(1, _result(1, COUNT));
        _open(2);
        vm.assertEq(_task().pool, POOL - 2 * REWARD, "both reserved");
    }

    /* HELPERS */

    function _submitAll() private {
        for (uint256 i; i < COUNT; ++i) {
            _submit(1, _trainer(i));
        }
    }

    function _expectRefusal(Result memory result, bytes4 selector) private {
        _expect(AGGREGATOR, selector);
        federation.closeRound(task, 1, result);
    }

    function _expectBadEntry(uint256 index, uint256 entry) private {
        Result memory result = _result(1, COUNT);
        result.entries[index] = entry;
        vm.prank(AGGREGATOR);
        vm.expectRevert(abi.encodeWithSelector(IFederation.BadEntry.selector, index));
        federation.closeRound(task, 1, result);
    }
}
