// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {TaskParams} from "../../src/interfaces/IFederation.sol";
import {BaseTest} from "../BaseTest.sol";

/// @notice What a federation must hold, written from the protocol. People are numbers, sets of people bit masks.
abstract contract Model is BaseTest {
    enum Stage {
        None,
        Open,
        Pending,
        Settled,
        Void,
        Failed
    }

    struct TaskModel {
        TaskParams params;
        address aggregator;
        bytes32 weights;
        uint256 round;
        uint256 deadline;
        uint256 pool;
        uint256 seats;
        uint256 awaited; // who the open round still waits for
        uint256[] submitters; // of the last round, in their order
        uint256 pending; // how many rounds are
        bool open;
        bool ended;
    }

    struct RoundModel {
        Stage stage;
        uint256 settleAfter;
        uint256[] entries;
        uint256 submitted; // a set
        uint256 paid;
    }

    uint256 internal constant PEOPLE = 16;
    uint256 internal constant KEYS = 12; // the first of the people can be members

    address internal owner;
    bool internal paused;

    /* MEMBERS */

    uint256 internal admitted;
    uint256 internal known; // has or had a reputation
    uint256[KEYS] internal successor; // a person's number + 1
    uint256[KEYS] internal payee;
    uint256[KEYS] internal balance;
    uint256[KEYS] internal reputation;

    /* TASKS */

    uint256 internal taskCount;
    mapping(uint256 task => TaskModel) internal tasks;
    mapping(uint256 task => mapping(uint256 round => RoundModel)) internal rounds;

    /* TOKEN */

    uint256[PEOPLE] internal received; // from the federation
    uint256 internal donated; // to the federation past `fund`

    /* WHO MAY WHEN */

    function _isIdle(TaskModel storage t) internal view returns (bool) {
        return !t.open && !t.ended;
    }

    function _isRunning(TaskModel storage t) internal view returns (bool) {
        return !t.ended;
    }

    function _canDefund(TaskModel storage t) internal view returns (bool) {
        return t.ended && t.pool != 0;
    }

    function _canOpen(TaskModel storage t) internal view returns (bool) {
        return _isIdle(t) && _count(t.seats) >= t.params.quorum && t.pool >= t.params.reward;
    }

    function _isOpen(TaskModel storage t) internal view returns (bool) {
        return t.open;
    }

    function _takesUpdates(TaskModel storage t) internal view returns (bool) {
        return t.open && time <= t.deadline && t.awaited & admitted != 0;
    }

    function _canClose(TaskModel storage t) internal view returns (bool) {
        return t.open && _isSealed(t) && time <= t.deadline + t.params.closeWindow;
    }

    function _isSealed(TaskModel storage t) internal view returns (bool) {
        return time > t.deadline || t.awaited == 0;
    }

    /// @dev Whether the open round of this number takes calls.
    function _isRound(TaskModel storage t, uint256 round) internal view returns (bool) {
        return t.open && t.round == round;
    }

    /// @dev Whoever submits or leaves in time is no longer awaited; the last one seals the round.
    function _stopWaiting(TaskModel storage t, uint256 who) internal {
        if (!t.open || time > t.deadline || !_has(t.awaited, who)) return;
        t.awaited = _without(t.awaited, who);
        if (t.awaited == 0) t.deadline = time;
    }

    /// @dev Settled, void or failed, or pending from now on.
    function _finish(uint256 id, uint256 round, Stage stage) internal {
        TaskModel storage t = tasks[id];
        if (_isRound(t, round)) t.open = false;
        if (rounds[id][round].stage == Stage.Pending) --t.pending;
        if (stage == Stage.Pending) ++t.pending;
        rounds[id][round].stage = stage;
    }

    /* SETS */

    function _has(uint256 set, uint256 who) internal pure returns (bool) {
        return set >> who & 1 != 0;
    }

    function _with(uint256 set, uint256 who) internal pure returns (uint256) {
        return set | 1 << who;
    }

    function _without(uint256 set, uint256 who) internal pure returns (uint256) {
        return set & ~(1 << who);
    }

    function _count(uint256 set) internal pure returns (uint256 count) {
        for (; set != 0; set &= set - 1) {
            ++count;
        }
    }
}
