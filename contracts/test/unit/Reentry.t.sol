// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IFederation} from "../../src/interfaces/IFederation.sol";
import {BaseTest, IMintable} from "../BaseTest.sol";
import {HostileToken, ITransferHook} from "../mocks/HostileToken.sol";

/// @notice Somebody uses the moment in which the token has the word: every call, within every call that moves money.
contract ReentryTest is BaseTest, ITransferHook {
    struct Call {
        address sender;
        bytes data;
    }

    // In task 1 nothing happens; it is what `fund` pays into.
    uint256 internal constant SEALED = 2;
    uint256 internal constant OPEN = 3;
    uint256 internal constant ENDED = 4; // with a settled round and a pending one
    uint256 internal constant TASKS = 4;

    address internal immutable ALICE = _trainer(0);
    address internal immutable BOB = _trainer(1);
    address internal immutable REMOVED = _trainer(2); // and seated still
    address internal immutable SEATLESS = _trainer(3);
    address internal immutable NEXT = _trainer(4);

    HostileToken internal hostile = new HostileToken();
    Call internal inner;
    bytes4 internal refusal;
    uint256 internal settleAfter;

    function setUp() public override {
        vm.warp(time);
        token = IMintable(address(hostile));
        federation = _deploy(address(token));
        for (task = 1; task <= TASKS; ++task) {
            _createTask(_params());
            _fund(task, POOL);
        }
        for (uint256 i; i < 4; ++i) {
            _admit(_trainer(i));
            for (task = 1; i < 3 && task <= TASKS; ++task) {
                _join(_trainer(i));
            }
        }
        _playRounds();
        _remove(REMOVED);
        token.mint(OUTSIDER, POOL);
        vm.prank(OUTSIDER);
        token.approve(address(federation), POOL);
        hostile.setHook(this);
    }

    function _playRounds() private {
        task = ENDED;
        _sealRound(1, 3);
        _settle(1, _close(1, _result(1, 3)), _result(1, 3).entries);
        _sealRound(2, 3);
        settleAfter = _close(2, _result(2, 3));
        _end();
        _wait(SETTLE_DELAY);
        task = SEALED;
        _sealRound(1, 3);
        task = OPEN;
        _open(1);
    }

    /// @notice What the token calls in the middle of a transfer.
    function onTransfer() external {
        (bool done, bytes memory answer) = _make(inner);
        refusal = done ? bytes4(0) : bytes4(answer);
    }

    /* MONEY */

    function test_no_call_that_moves_money_works_within_another() public {
        Call[3] memory calls = _moneyCalls();
        for (uint256 i; i < 9; ++i) {
            uint256 snapshot = vm.snapshotState();
            _makeWithin(calls[i / 3], calls[i % 3]);
            bytes4 expected = ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector;
            vm.assertEq(bytes32(refusal), bytes32(expected), "refused");
            vm.revertToState(snapshot);
        }
    }

    function test_money_that_arrives_beside_a_funding_is_not_counted_with_it() public {
        hostile.setMood(HostileToken.Mood.CallsBack);
        hostile.setHook(new Donor(address(federation)));
        _expect(OUTSIDER, IFederation.WrongAmount.selector);
        federation.fund(1, 5);
    }

    /* EVERYTHING ELSE */

    function test_a_call_within_a_funding_does_what_it_does_after_it() public {
        _assertSameWithinAsAfter(_moneyCalls()[0]);
    }

    function test_a_call_within_a_withdrawal_does_what_it_does_after_it() public {
        _assertSameWithinAsAfter(_moneyCalls()[1]);
    }

    function test_a_call_within_a_defunding_does_what_it_does_after_it() public {
        _assertSameWithinAsAfter(_moneyCalls()[2]);
    }

    function _assertSameWithinAsAfter(Call memory outer) private {
        Call[] memory calls = _otherCalls();
        for (uint256 i; i < calls.length; ++i) {
            uint256 snapshot = vm.snapshotState();
            _makeWithin(outer, calls[i]);
            vm.assertEq(bytes32(refusal), 0, vm.toString(i));
            bytes32 within = _state();
            vm.revertToState(snapshot);

            snapshot = vm.snapshotState();
            _make(outer);
            _make(calls[i]);
            vm.assertEq(within, _state(), vm.toString(i));
            vm.revertToState(snapshot);
        }
    }

    /* CALLS */

    function _moneyCalls() private view returns (Call[3] memory) {
        return [
            Call(OUTSIDER, abi.encodeCall(federation.fund, (1, 5))),
            Call(OUTSIDER, abi.encodeCall(federation.withdraw, (ALICE))),
            Call(OUTSIDER, abi.encodeCall(federation.defund, (ENDED)))
        ];
    }

    function _otherCalls() private view returns (Call[] memory calls) {
        calls = new Call[](20);
        _peopleCalls(calls);
        _taskCalls(calls);
        _roundCalls(calls);
    }

    function _peopleCalls(Call[] memory calls) private view {
        bytes memory signature = _sign(_key(0), federation.replacementDigest(ALICE, NEXT, PROFILE));
        calls[0] = Call(OWNER, abi.encodeCall(federation.admit, (NEXT, PROFILE)));
        calls[1] = Call(OWNER, abi.encodeCall(federation.remove, (ALICE)));
        calls[2] = Call(OWNER, abi.encodeCall(federation.replace, (ALICE, NEXT, PROFILE, signature)));
        calls[3] = Call(ALICE, abi.encodeCall(federation.setPayee, (ALICE, NEXT)));
        calls[4] = Call(SEATLESS, abi.encodeCall(federation.joinTask, (1, TERMS, POLICY)));
        calls[5] = Call(ALICE, abi.encodeCall(federation.leaveTask, (OPEN)));
        calls[6] = Call(OUTSIDER, abi.encodeCall(federation.unseat, (OPEN, REMOVED)));
    }

    function _taskCalls(Call[] memory calls) private view {
        calls[7] = Call(OWNER, abi.encodeCall(federation.setPaused, (true)));
        calls[8] = Call(OWNER, abi.encodeCall(federation.createTask, (_params())));
        calls[9] = Call(OWNER, abi.encodeCall(federation.setAggregator, (1, OUTSIDER)));
        calls[10] = Call(SPONSOR, abi.encodeCall(federation.endTask, (1)));
        calls[11] = Call(OWNER, abi.encodeCall(federation.resetWeights, (1, PROFILE, REASON)));
    }

    function _roundCalls(Call[] memory calls) private view {
        bytes32 receipt = _receipt(1, BOB);
        bytes memory signature = _sign(_key(1), federation.submissionDigest(BOB, OPEN, 1, receipt));
        uint256[] memory entries = _result(2, 3).entries;
        calls[12] = Call(AGGREGATOR, abi.encodeCall(federation.openRound, (1, 1, WEIGHTS, _announcement(1))));
        calls[13] = Call(BOB, abi.encodeCall(federation.submitUpdate, (OPEN, 1, receipt)));
        calls[14] = Call(OUTSIDER, abi.encodeCall(federation.submitUpdateFor, (BOB, OPEN, 1, receipt, signature)));
        calls[15] = Call(OUTSIDER, abi.encodeCall(federation.reveal, (SEALED, 1, BOB, "receipt")));
        calls[16] = Call(AGGREGATOR, abi.encodeCall(federation.closeRound, (SEALED, 1, _result(1, 3))));
        calls[17] = Call(OUTSIDER, abi.encodeCall(federation.settleRound, (ENDED, 2, settleAfter, entries)));
        calls[18] = Call(OWNER, abi.encodeCall(federation.voidRound, (ENDED, 2, REASON)));
        calls[19] = Call(AGGREGATOR, abi.encodeCall(federation.failRound, (SEALED, 1, REASON)));
    }

    function _make(Call memory call) private returns (bool done, bytes memory answer) {
        vm.prank(call.sender);
        (done, answer) = address(federation).call(call.data);
    }

    function _makeWithin(Call memory outer, Call memory call) private {
        inner = call;
        hostile.setMood(HostileToken.Mood.CallsBack);
        (bool done,) = _make(outer);
        vm.assertTrue(done, "outer call");
    }

    /// @dev Everything that a call could have changed, in one word.
    function _state() private view returns (bytes32 word) {
        word = keccak256(abi.encode(federation.paused(), federation.taskCount()));
        for (uint256 id = 1; id <= TASKS + 1; ++id) {
            word = keccak256(abi.encode(word, federation.taskOf(id), federation.outcomeOf(id, 1)));
            word = keccak256(abi.encode(word, federation.outcomeOf(id, 2), token.balanceOf(address(federation))));
        }
        for (uint256 i; i < 5; ++i) {
            address who = _trainer(i);
            word = keccak256(abi.encode(word, federation.memberOf(who), federation.payeeOf(who), token.balanceOf(who)));
            for (uint256 id = 1; id <= TASKS; ++id) {
                word = keccak256(abi.encode(word, federation.seatOf(id, who)));
            }
        }
    }
}

/// @notice Sends one unit more while a transfer is under way.
contract Donor is ITransferHook {
    address internal immutable RECEIVER;

    constructor(address receiver) {
        RECEIVER = receiver;
    }

    function onTransfer() external {
        HostileToken(msg.sender).mint(RECEIVER, 1);
    }
}
