// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Task} from "../../src/interfaces/IFederation.sol";
import {HostileToken} from "../mocks/HostileToken.sol";
import {EndingCalls} from "./EndingCalls.sol";
import {MoneyCalls} from "./MoneyCalls.sol";
import {PeopleCalls} from "./PeopleCalls.sol";
import {RoundCalls} from "./RoundCalls.sol";
import {Rules} from "./Rules.sol";
import {TaskCalls} from "./TaskCalls.sol";
import {World} from "./World.sol";

/// @notice Calls the federation at random, in the name of whoever may and of others, the rounds of several tasks
/// interleaved.
contract Handler is PeopleCalls, TaskCalls, MoneyCalls, RoundCalls, EndingCalls, Rules {
    constructor(bool hostile) World(hostile) drawing(0) {
        _offer(Handler.play.selector, 4);
        _offer(Handler.wait.selector, 4);
        _offer(Handler.lookAhead.selector, 1);
        if (hostile) HostileToken(address(token)).setHook(this);
        for (uint256 who; who < FOUNDERS; ++who) {
            _admitAs(owner, who, true);
        }
        for (uint256 id = 1; id <= 3; ++id) {
            _createAs(owner, _drawParams(), true);
            _fundAs(id, OUTSIDER, POOL);
            for (uint256 who = id; who < FOUNDERS; ++who) {
                _joinAs(id, who, tasks[id].params.terms, true);
            }
        }
    }

    /// @dev A round from beginning to end, so that many are closed.
    function play(uint256 seed) external drawing(seed) {
        if (inTransfer) return;
        uint256 id = _drawTask(_canOpen);
        TaskModel storage t = tasks[id];
        if (!t.open) _openAs(t.aggregator, id, t.round + 1, t.weights);
        if (!t.open) return;
        _submitAll(id, 0);
        if (!_isSealed(t)) time = t.deadline + 1;
        _closeAs(t.aggregator, id, false);
    }

    /// @dev A few seconds, or to a moment at which something changes, or one second past it.
    function wait(uint256 seed) external drawing(seed) {
        if (inTransfer) return;
        uint256 moment = _oneIn(2) ? 0 : _drawMoment() + _draw(2);
        time = moment > time ? moment : time + 1 + _draw(5);
    }

    function _drawMoment() private returns (uint256) {
        if (_oneIn(2)) {
            (uint256 id, uint256 round) = _drawRound(Stage.Pending);
            return rounds[id][round].settleAfter;
        }
        TaskModel storage t = tasks[_drawTask(_isOpen)];
        return t.deadline + [0, t.params.closeWindow / 2, t.params.closeWindow][_draw(3)];
    }

    /* FROM ANY STATE */

    /// @notice Looks at where time and outsiders lead from here, and comes back.
    function lookAhead(uint256 seed) external drawing(seed) {
        if (inTransfer || !_oneIn(4)) return;
        uint256 snapshot = vm.snapshotState();
        unwind();
        require(vm.revertToState(snapshot));
    }

    /// @notice Without the owner and the aggregators, everybody leaves, every round ends and all money gets where it
    /// belongs, once the token is honest.
    function unwind() public {
        if (HOSTILE) _calmToken();
        for (uint256 id = 1; id <= taskCount; ++id) {
            _a_seat_can_always_be_left(id);
        }
        for (uint256 id = 1; id <= taskCount; ++id) {
            _time_and_an_outsider_lead_to_idle(id);
            _a_pending_round_can_always_be_settled(id);
            _the_sponsor_gets_what_is_left(id);
        }
        for (uint256 who; who < KEYS; ++who) {
            if (federation.memberOf(people[who]).balance != 0) {
                _call(OUTSIDER, abi.encodeCall(federation.withdraw, (people[who])));
            }
        }
        vm.assertEq(token.balanceOf(address(federation)), donated, "nothing is left behind");
    }

    function _calmToken() private {
        HostileToken mock = HostileToken(address(token));
        mock.setMood(HostileToken.Mood.Honest);
        mock.setBarred(OUTSIDER, false);
        for (uint256 i; i < PEOPLE; ++i) {
            mock.setBarred(people[i], false);
        }
    }

    function _a_seat_can_always_be_left(uint256 id) private {
        for (uint256 who; who < KEYS; ++who) {
            if (_has(tasks[id].seats, who)) _call(people[who], abi.encodeCall(federation.leaveTask, (id)));
        }
        vm.assertEq(federation.taskOf(id).joined, 0, "seats");
    }

    function _time_and_an_outsider_lead_to_idle(uint256 id) private {
        Task memory t = federation.taskOf(id);
        if (!t.open) return;
        if (time <= t.deadline + t.closeWindow) time = uint256(t.deadline) + t.closeWindow + 1;
        _call(OUTSIDER, abi.encodeCall(federation.failRound, (id, t.round, REASON)));
        vm.assertTrue(!federation.taskOf(id).open, "idle");
    }

    function _a_pending_round_can_always_be_settled(uint256 id) private {
        for (uint256 round = 1; round <= tasks[id].round; ++round) {
            RoundModel storage r = rounds[id][round];
            if (r.stage != Stage.Pending) continue;
            if (time < r.settleAfter) time = r.settleAfter;
            _call(OUTSIDER, abi.encodeCall(federation.settleRound, (id, round, r.settleAfter, r.entries)));
        }
    }

    function _the_sponsor_gets_what_is_left(uint256 id) private {
        Task memory t = federation.taskOf(id);
        if (!t.ended) _call(t.sponsor, abi.encodeCall(federation.endTask, (id)));
        if (t.pool != 0) _call(OUTSIDER, abi.encodeCall(federation.defund, (id)));
    }

    function _call(address sender, bytes memory call) private {
        _attempt(sender, call, true);
    }
}
