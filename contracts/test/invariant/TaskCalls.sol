// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {TaskParams} from "../../src/interfaces/IFederation.sol";
import {World} from "./World.sol";

/// @notice Tasks and who runs them.
abstract contract TaskCalls is World {
    uint256 private constant MAX_TASKS = 8;

    constructor() {
        _offer(TaskCalls.createTask.selector, 1);
        _offer(TaskCalls.endTask.selector, 1);
        _offer(TaskCalls.setAggregator.selector, 1);
        _offer(TaskCalls.resetWeights.selector, 1);
    }

    function createTask(uint256 seed) external drawing(seed) {
        if (taskCount == MAX_TASKS || !_oneIn(4)) return;
        address sender = _sender(owner);
        _createAs(sender, _drawParams(), sender == owner && !paused);
    }

    function endTask(uint256 seed) external drawing(seed) {
        if (!_oneIn(10)) return;
        uint256 id = _drawTask(_isIdle);
        TaskModel storage t = tasks[id];
        address sender = _sender(_oneIn(2) ? owner : t.params.sponsor);
        bool allowed = !t.ended && (sender == owner || sender == t.params.sponsor);
        if (_attempt(sender, abi.encodeCall(federation.endTask, (id)), allowed)) t.ended = true;
    }

    function setAggregator(uint256 seed) external drawing(seed) {
        uint256 id = _drawTask();
        address next = aggregators[_draw(3)];
        address sender = _sender(owner);
        bytes memory call = abi.encodeCall(federation.setAggregator, (id, next));
        if (_attempt(sender, call, sender == owner)) tasks[id].aggregator = next;
    }

    function resetWeights(uint256 seed) external drawing(seed) {
        uint256 id = _drawTask(_isIdle);
        address sender = _sender(owner);
        bytes32 next = _oneIn(8) ? bytes32(0) : WEIGHTS;
        bool allowed = sender == owner && !tasks[id].open && next != 0;
        bytes memory call = abi.encodeCall(federation.resetWeights, (id, next, REASON));
        if (_attempt(sender, call, allowed)) tasks[id].weights = next;
    }

    function _createAs(address sender, TaskParams memory params, bool allowed) internal {
        if (!_attempt(sender, abi.encodeCall(federation.createTask, (params)), allowed)) return;

        TaskModel storage t = tasks[++taskCount];
        t.params = params;
        t.aggregator = params.aggregator;
        t.weights = params.weights;
    }

    /// @dev Numbers at and beside the edges; each task's terms are its own.
    function _drawParams() internal returns (TaskParams memory params) {
        params.terms = keccak256(abi.encode("terms", taskCount + 1));
        params.weights = WEIGHTS;
        params.aggregator = aggregators[_draw(3)];
        params.sponsor = people[_draw(PEOPLE)];
        params.reward = [uint128(1e18), 1e18 + 7, 5, 0][_draw(4)];
        params.quorum = uint16(1 + _draw(3));
        params.window = [uint32(3600), 600, 10][_draw(3)];
        params.closeWindow = [uint32(600), 61, 2][_draw(3)];
        params.settleDelay = [uint32(7200), 60, 0][_draw(3)];
    }
}
