// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Result, Task} from "../../src/interfaces/IFederation.sol";
import {BaseTest} from "../BaseTest.sol";

/// @notice Where the words lie that every round reads and writes: the gas targets rest on it.
contract PackingTest is BaseTest {
    uint256 internal constant MEMBERS_SLOT = 7;
    uint256 internal constant TASKS_SLOT = 9;
    uint256 internal constant SEATS_SLOT = 10;
    uint256 internal constant OUTCOMES_SLOT = 11;

    uint256 internal constant CREATED_AT = 1_234;
    uint256 internal constant OPENED_AT = 5_678;

    function setUp() public override {
        vm.roll(CREATED_AT);
        super.setUp();
        _sealFirstRound(2);
        Result memory result = _result(1, 2);
        _settle(1, _close(1, result), result.entries);
        vm.roll(OPENED_AT);
        _open(2);
        _submit(2, _trainer(0));
    }

    function test_a_member_is_one_word() public view {
        uint256 word = REWARD / 2 | uint256(5_625) << 128 | uint256(1) << 144;
        _assertWord(_slot(_trainer(0), MEMBERS_SLOT), word, "member");
    }

    function test_a_seat_is_one_word() public view {
        uint256 inner = _slot(task, SEATS_SLOT);
        uint256 word = 1 | uint256(1) << 8 | uint256(2) << 40;
        _assertWord(_slot(_trainer(0), inner), word, "seat");
    }

    function test_an_outcome_is_one_word() public view {
        _assertWord(_slot(1, _slot(task, OUTCOMES_SLOT)), 1, "settled");
    }

    function test_a_task_is_seven_words() public view {
        uint256 first = _slot(task, TASKS_SLOT);
        Task memory t = _task();
        _assertWord(first, uint256(TERMS), "terms");
        _assertWord(first + 1, uint256(t.weights), "weights");
        _assertWord(first + 2, uint256(t.accumulator), "accumulator");
        _assertWord(first + 3, _counters(), "counters");
        _assertWord(first + 4, _runBy(), "run by");
        _assertWord(first + 5, (POOL - 2 * REWARD) | uint256(REWARD) << 128, "money");
        _assertWord(first + 6, uint160(SPONSOR), "sponsor");
        _assertWord(first + 7, 0, "nothing more");
    }

    function _counters() private view returns (uint256 word) {
        uint256 open = 1;
        uint256 ended = 0;
        uint256 expected = 2;
        uint256 submitted = 1;
        uint256 joined = 2;
        word = 2 | (time + WINDOW) << 32 | open << 72 | ended << 80;
        word |= expected << 88 | submitted << 104 | joined << 120 | OPENED_AT << 136;
        word |= uint256(WINDOW) << 184 | uint256(CLOSE_WINDOW) << 216;
    }

    function _runBy() private view returns (uint256) {
        return uint160(AGGREGATOR) | CREATED_AT << 160 | uint256(QUORUM) << 208 | uint256(SETTLE_DELAY) << 224;
    }

    function _slot(address key, uint256 mappingSlot) private pure returns (uint256) {
        return _slot(uint160(key), mappingSlot);
    }

    function _slot(uint256 key, uint256 mappingSlot) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(key, mappingSlot)));
    }

    function _assertWord(uint256 slot, uint256 expected, string memory what) private view {
        vm.assertEq(uint256(vm.load(address(federation), bytes32(slot))), expected, what);
    }
}
