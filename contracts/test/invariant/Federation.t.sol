// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {VM, Vm} from "../Vm.sol";
import {Handler} from "./Handler.sol";

/// @notice Random calls by many actors to many tasks, which the federation and its model must answer alike.
contract FederationInvariantTest {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    Vm internal constant vm = VM;

    Handler internal handler;

    function setUp() public {
        handler = _newHandler();
    }

    function _newHandler() internal virtual returns (Handler) {
        return new Handler(false);
    }

    /// @dev Where forge looks for what to call.
    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), handler.calls());
    }

    /// @dev One function for all rules, so that each of the calls counted is another.
    function invariant_every_rule_holds() public view {
        handler.checkRules();
    }

    /// @dev At the end of every run.
    function afterInvariant() public {
        handler.checkAllRounds();
        handler.unwind();
    }

    /// @dev Random calls that are all refused, or that never end a round, would prove nothing.
    function test_random_calls_reach_every_ending() public virtual {
        bytes4[] memory calls = handler.calls();
        for (uint256 i; i < 1_000; ++i) {
            uint256 seed = uint256(keccak256(abi.encode(i)));
            (bool done,) = address(handler).call(abi.encodeWithSelector(calls[seed % calls.length], seed));
            vm.assertTrue(done, "call");
        }
        _assertHappened("close", 20);
        _assertHappened("settle", 10);
        _assertHappened("void", 3);
        _assertHappened("fail", 3);
        _assertHappened("withdraw", 3);
        _assertHappened("relay", 50);
        _assertHappened("replace", 1);
        _assertHappened("defund", 1);
    }

    function _assertHappened(string memory call, uint256 times) internal view {
        vm.assertGe(handler.happened(call), times, call);
    }
}

/// @notice The same, paid in a token that takes fees, reverts, lies, bars accounts and calls back.
contract HostileTokenInvariantTest is FederationInvariantTest {
    function _newHandler() internal override returns (Handler) {
        return new Handler(true);
    }

    function test_random_calls_reach_every_ending() public override {
        super.test_random_calls_reach_every_ending();
        _assertHappened("callback", 2);
    }
}
