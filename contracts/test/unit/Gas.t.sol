// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Result} from "../../src/interfaces/IFederation.sol";
import {BaseTest} from "../BaseTest.sol";

/// @notice Gas of the calls that every round makes, intrinsic cost included (`isolate`), in a round whose slots have
/// all been written before.
contract GasTest is BaseTest {
    uint256 internal constant ROUND = 3;

    function test_ten_trainers_stay_within_the_targets() public {
        _run(10);
    }

    function test_fifty_trainers_stay_within_the_targets() public {
        _run(50);
    }

    function test_512_trainers_stay_within_the_targets() public {
        _run(512);
    }

    function _run(uint256 count) private {
        _seat(count);
        for (uint256 round = 1; round < ROUND; ++round) {
            _sealRound(round, count);
            Result memory result = _result(round, count);
            _settle(round, _close(round, result), result.entries);
        }

        _open(ROUND);
        _assertGas("openRound", count, 50_000);
        _submitAll(count);
        _closeAndSettle(count);
    }

    function _submitAll(uint256 count) private {
        _submit(ROUND, _trainer(0));
        _assertGas("submitUpdate", count, 43_500);
        bytes32 receipt = _receipt(ROUND, _trainer(1));
        bytes memory signature = _sign(_key(1), federation.submissionDigest(_trainer(1), task, ROUND, receipt));
        federation.submitUpdateFor(_trainer(1), task, ROUND, receipt, signature);
        _assertGas("submitUpdateFor", count, 50_000);
        for (uint256 i = 2; i < count; ++i) {
            _submit(ROUND, _trainer(i));
        }
        _assertGas("submitUpdate, sealing", count, 45_500);
    }

    function _closeAndSettle(uint256 count) private {
        Result memory result = _result(ROUND, count);
        for (uint256 i; i < count; ++i) {
            result.entries[i] = _entry(_trainer(i), 123_456_789 + 7 * i, ACCEPTED);
        }
        uint256 settleAfter = _close(ROUND, result);
        uint256 execution = 70_000 + 1_800 * count;
        uint256 calldataFloor = 21_000 + 2_440 * count;
        _assertGas("closeRound", count, execution > calldataFloor ? execution : calldataFloor);
        _settle(ROUND, settleAfter, result.entries);
        _assertGas("settleRound", count, 35_000 + 7_000 * count);
    }

    function _assertGas(string memory call, uint256 count, uint256 target) private {
        uint256 used = vm.snapshotGasLastCall(string.concat(call, ", ", vm.toString(count), " trainers"));
        vm.assertLe(used, target, call);
    }
}
