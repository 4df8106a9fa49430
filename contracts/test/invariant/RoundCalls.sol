// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {World} from "./World.sol";

/// @notice Opening rounds, submitting to them, and reusing signatures for anything else.
abstract contract RoundCalls is World {
    struct Signed {
        uint256 who;
        uint256 task;
        uint256 round;
        bytes32 receipt;
        bytes signature;
    }

    Signed[] internal signatures;

    constructor() {
        _offer(RoundCalls.open.selector, 4);
        _offer(RoundCalls.submit.selector, 1);
        _offer(RoundCalls.submitMany.selector, 4);
        _offer(RoundCalls.sign.selector, 1);
        _offer(RoundCalls.replay.selector, 3);
        _offer(RoundCalls.reveal.selector, 1);
    }

    function open(uint256 seed) external drawing(seed) {
        uint256 id = _drawTask(_canOpen);
        TaskModel storage t = tasks[id];
        uint256 round = _near(t.round + 1);
        bytes32 base = _oneIn(8) ? PROFILE : t.weights;
        _openAs(_sender(t.aggregator), id, round, base);
    }

    function submit(uint256 seed) external drawing(seed) {
        uint256 id = _drawTask(_takesUpdates);
        TaskModel storage t = tasks[id];
        uint256 who = _drawFrom(t.awaited & admitted);
        if (t.open && _oneIn(4)) _waitAbout(t.deadline);
        _submitEitherWay(id, _near(t.round), who);
    }

    /// @dev Everybody who can, or everybody but a few, so that many rounds are sealed.
    function submitMany(uint256 seed) external drawing(seed) {
        uint256 id = _drawTask(_takesUpdates);
        TaskModel storage t = tasks[id];
        if (!t.open || time > t.deadline) return;
        _submitAll(id, _oneIn(4) ? _draw(ALL_KEYS) & _draw(ALL_KEYS) : 0);
    }

    /// @dev For a round that is open, will open or never opens, by somebody who need not be a trainer yet.
    function sign(uint256 seed) external drawing(seed) {
        uint256 id = _drawTask();
        _signAs(id, tasks[id].round + _draw(2), _draw(KEYS));
    }

    /// @dev Relays a signature of any age, for what it says or for something else.
    function replay(uint256 seed) external drawing(seed) {
        if (signatures.length == 0) return;
        Signed storage s = signatures[_draw(signatures.length)];
        (uint256 id, uint256 round, uint256 who, bytes32 receipt) = (s.task, s.round, s.who, s.receipt);
        uint256 change = _draw(5);
        if (change == 1) id = _drawTask(_takesUpdates);
        if (change <= 2) round = tasks[id].round;
        if (change == 3) who = _drawFrom(tasks[id].awaited & admitted);
        if (change == 4) receipt = PROFILE;
        _relay(s, id, round, who, receipt);
    }

    function reveal(uint256 seed) external drawing(seed) {
        uint256 id = _drawTask();
        TaskModel storage t = tasks[id];
        uint256 round = _near(t.round);
        bool begun = round != 0 && round <= t.round;
        bool allowed = begun && (!_isRound(t, round) || _isSealed(t));
        _attempt(OUTSIDER, abi.encodeCall(federation.reveal, (id, round, OUTSIDER, "receipt")), allowed);
    }

    /* HELPERS */

    /// @dev Mostly this number, sometimes one beside it.
    function _near(uint256 round) private returns (uint256) {
        if (!_oneIn(8)) return round;
        return round == 0 || _oneIn(2) ? round + 1 : round - 1;
    }

    function _openAs(address sender, uint256 id, uint256 round, bytes32 base) internal {
        TaskModel storage t = tasks[id];
        bool right = sender == t.aggregator && round == t.round + 1 && base == t.weights;
        bool allowed = right && !paused && _canOpen(t);
        bytes memory call = abi.encodeCall(federation.openRound, (id, round, base, _announcement(round)));
        if (!_attempt(sender, call, allowed)) return;

        rounds[id][++t.round].stage = Stage.Open;
        t.pool -= t.params.reward;
        t.deadline = time + t.params.window;
        t.open = true;
        t.awaited = t.seats;
        delete t.submitters;
    }

    function _canSubmit(TaskModel storage t, uint256 round, uint256 who) private view returns (bool) {
        return _isRound(t, round) && time <= t.deadline && _has(t.awaited & admitted, who);
    }

    function _submitAll(uint256 id, uint256 absent) internal {
        TaskModel storage t = tasks[id];
        for (uint256 who; who < KEYS; ++who) {
            if (_canSubmit(t, t.round, who) && !_has(absent, who)) _submitEitherWay(id, t.round, who);
        }
    }

    function _submitEitherWay(uint256 id, uint256 round, uint256 who) private {
        if (_oneIn(2)) return _submitAs(id, round, who);
        _relay(_signAs(id, round, who), id, round, who, _receipt(round, people[who]));
    }

    function _signAs(uint256 id, uint256 round, uint256 who) private returns (Signed storage) {
        bytes32 receipt = _receipt(round, people[who]);
        bytes memory signature = _sign(_key(who), federation.submissionDigest(people[who], id, round, receipt));
        signatures.push(Signed(who, id, round, receipt, signature));
        return signatures[signatures.length - 1];
    }

    function _submitAs(uint256 id, uint256 round, uint256 who) private {
        bytes memory call = abi.encodeCall(federation.submitUpdate, (id, round, _receipt(round, people[who])));
        if (_attempt(people[who], call, _canSubmit(tasks[id], round, who))) _takeIn(id, who);
    }

    /// @dev Works for exactly what was signed, and then as a submission of one's own would.
    function _relay(Signed storage s, uint256 id, uint256 round, uint256 who, bytes32 receipt) private {
        bool signed = s.task == id && s.round == round && s.who == who && s.receipt == receipt;
        bool allowed = signed && _canSubmit(tasks[id], round, who);
        bytes memory call = abi.encodeCall(federation.submitUpdateFor, (people[who], id, round, receipt, s.signature));
        if (!_attempt(OUTSIDER, call, allowed)) return;
        _takeIn(id, who);
        ++happened["relay"];
    }

    function _takeIn(uint256 id, uint256 who) private {
        TaskModel storage t = tasks[id];
        RoundModel storage r = rounds[id][t.round];
        vm.assertTrue(!_has(r.submitted, who), "one submission per member, task and round");
        r.submitted = _with(r.submitted, who);
        t.submitters.push(who);
        _stopWaiting(t, who);
    }
}
