// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Result, TaskParams} from "../../src/interfaces/IFederation.sol";
import {BaseTest} from "../BaseTest.sol";

/// @notice Gas of the calls that every round makes, intrinsic cost included (`isolate`), each in a block of its own, in
/// a round whose slots have all been written before.
contract GasTest is BaseTest {
    uint256 internal constant ROUND = 3;

    /// @dev Kept here for the reason that `time` is.
    uint256 private height = 1_000;

    function setUp() public override {
        super.setUp();
        TaskParams memory params = _params();
        params.quorum = 1;
        task = _createTask(params);
        _fund(task, POOL);
    }

    function test_two_trainers_stay_within_the_targets() public {
        _run(2);
    }

    function test_four_trainers_stay_within_the_targets() public {
        _run(4);
    }

    function test_five_trainers_stay_within_the_targets() public {
        _run(5);
    }

    function test_ten_trainers_stay_within_the_targets() public {
        _run(10);
    }

    function test_twenty_trainers_stay_within_the_targets() public {
        _run(20);
    }

    function test_fifty_trainers_stay_within_the_targets() public {
        _run(50);
    }

    function test_512_trainers_stay_within_the_targets() public {
        _run(512);
    }

    function test_closing_and_settling_stay_within_the_targets_from_one_trainer_to_twelve() public {
        for (uint256 count = 1; count <= 12; ++count) {
            _admit(_trainer(count - 1));
            _join(_trainer(count - 1));
            _mine();
            _sealRound(count, count);
            _closeAndSettle(count, count);
        }
    }

    function _run(uint256 count) private {
        _seat(count);
        for (uint256 round = 1; round < ROUND; ++round) {
            _mine();
            _sealRound(round, count);
            Result memory result = _result(round, count);
            _settle(round, _close(round, result), result.entries);
        }

        _mine();
        _open(ROUND);
        _assertGas("openRound", count, 50_000);
        _submitAll(count);
        _closeAndSettle(ROUND, count);
    }

    /// @dev The first submits itself, the last seals, and those between are relayed.
    function _submitAll(uint256 count) private {
        _mine();
        _submit(ROUND, _trainer(0));
        _assertGas("submitUpdate", count, 43_500);
        for (uint256 i = 1; i < count - 1; ++i) {
            _submitFor(i);
        }
        if (count > 2) _assertGas("submitUpdateFor", count, 50_000);
        _mine();
        _submit(ROUND, _trainer(count - 1));
        _assertGas("submitUpdate, sealing", count, 45_500);
    }

    function _submitFor(uint256 i) private {
        _mine();
        bytes32 receipt = _receipt(ROUND, _trainer(i));
        bytes memory signature = _sign(_key(i), federation.submissionDigest(_trainer(i), task, ROUND, receipt));
        federation.submitUpdateFor(_trainer(i), task, ROUND, receipt, signature);
    }

    function _closeAndSettle(uint256 round, uint256 count) private {
        Result memory result = _result(round, count);
        for (uint256 i; i < count; ++i) {
            result.entries[i] = _entry(_trainer(i), 123_456_789 + 7 * i, ACCEPTED);
        }
        _mine();
        uint256 settleAfter = _close(round, result);
        uint256 execution = 70_000 + 1_800 * count;
        uint256 calldataFloor = 21_000 + 2_440 * count;
        _assertGas("closeRound", count, execution > calldataFloor ? execution : calldataFloor);
        _mine();
        _settle(round, settleAfter, result.entries);
        _assertGas("settleRound", count, 35_000 + 7_000 * count);
    }

    function _mine() private {
        vm.roll(++height);
        _wait(1);
    }

    function _assertGas(string memory call, uint256 count, uint256 target) private {
        uint256 used = vm.snapshotGasLastCall(string.concat(call, ", ", vm.toString(count), " trainers"));
        vm.assertLe(used, target, call);
    }
}
