// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Result} from "../../src/interfaces/IFederation.sol";
import {World} from "./World.sol";

/// @notice Closing, settling, voiding and failing rounds, in any order and once too often.
abstract contract EndingCalls is World {
    struct Draft {
        uint256 accepted;
        bool unavailable;
        bool tampered;
    }

    constructor() {
        _offer(EndingCalls.close.selector, 4);
        _offer(EndingCalls.settle.selector, 3);
        _offer(EndingCalls.voidRound.selector, 3);
        _offer(EndingCalls.failRound.selector, 2);
    }

    function close(uint256 seed) external drawing(seed) {
        uint256 id = _drawTask(_canClose);
        if (tasks[id].open && _oneIn(4)) _waitAbout(_halfway(tasks[id]));
        _closeAs(_sender(tasks[id].aggregator), id, _oneIn(4));
    }

    function settle(uint256 seed) external drawing(seed) {
        (uint256 id, uint256 round) = _drawRound(Stage.Pending);
        RoundModel storage r = rounds[id][round];
        (uint256 settleAfter, uint256[] memory entries) = (r.settleAfter, r.entries);
        bool otherTime = _oneIn(8);
        bool otherEntries = entries.length != 0 && _oneIn(8);
        if (otherTime) ++settleAfter;
        if (otherEntries) entries[_draw(entries.length)] ^= 1 << _draw(256);
        bool allowed = r.stage == Stage.Pending && !otherTime && !otherEntries && time >= settleAfter;
        bytes memory call = abi.encodeCall(federation.settleRound, (id, round, settleAfter, entries));
        if (!_attempt(OUTSIDER, call, allowed)) return;
        _pay(id, round);
        ++happened["settle"];
    }

    function voidRound(uint256 seed) external drawing(seed) {
        (uint256 id, uint256 round) = _drawRound(_oneIn(2) ? Stage.Pending : Stage.Open);
        Stage stage = rounds[id][round].stage;
        if (stage < Stage.Settled && !_oneIn(4)) return;
        address sender = _sender(owner);
        bool allowed = sender == owner && (stage == Stage.Open || stage == Stage.Pending);
        if (!_attempt(sender, abi.encodeCall(federation.voidRound, (id, round, REASON)), allowed)) return;
        tasks[id].pool += tasks[id].params.reward;
        _finish(id, round, Stage.Void);
        ++happened["void"];
    }

    function failRound(uint256 seed) external drawing(seed) {
        (uint256 id, uint256 round) = _drawRound(Stage.Open);
        TaskModel storage t = tasks[id];
        if (_isRound(t, round) && !_oneIn(2)) return;
        address sender = _oneIn(2) ? OUTSIDER : t.aggregator;
        if (_isRound(t, round) && _oneIn(2)) _waitAbout(t.deadline + t.params.closeWindow);
        bool abandoned = time > t.deadline + t.params.closeWindow;
        bool allowed = _isRound(t, round) && _isSealed(t) && (sender == t.aggregator || abandoned);
        if (!_attempt(sender, abi.encodeCall(federation.failRound, (id, round, REASON)), allowed)) return;
        t.pool += t.params.reward;
        _finish(id, round, Stage.Failed);
        ++happened["fail"];
    }

    function _closeAs(address sender, uint256 id, bool tamper) internal {
        TaskModel storage t = tasks[id];
        uint256 round = t.round;
        (Result memory result, Draft memory draft) = _drawResult(t, tamper);
        bool late = time > _halfway(t);
        bool complete = !draft.tampered && draft.accepted >= t.params.quorum && (late || !draft.unavailable);
        bool allowed = sender == t.aggregator && _canClose(t) && complete;
        if (!_attempt(sender, abi.encodeCall(federation.closeRound, (id, round, result)), allowed)) return;

        t.weights = result.weights;
        RoundModel storage r = rounds[id][round];
        (r.settleAfter, r.entries) = (time + t.params.settleDelay, result.entries);
        _finish(id, round, Stage.Pending);
        ++happened["close"];
    }

    /// @dev From the second after it on, a submission may be called unavailable.
    function _halfway(TaskModel storage t) private view returns (uint256) {
        return t.deadline + t.params.closeWindow / 2;
    }

    /* RESULTS */

    /// @dev Exactly the submissions in their order, and sometimes one thing wrong.
    function _drawResult(TaskModel storage t, bool tamper) private returns (Result memory result, Draft memory draft) {
        uint256[] memory submitters = t.submitters;
        uint256 kinds = time > _halfway(t) || _oneIn(8) ? 4 : 1 + _draw(3);
        result = _result(t.round, submitters.length);
        for (uint256 i; i < submitters.length; ++i) {
            address trainer = people[submitters[i]];
            uint256 quality = _drawQuality(kinds);
            result.entries[i] = _entry(trainer, quality == ACCEPTED ? _draw(1 << 32) : 0, quality);
            result.receipts[i] = _receipt(t.round, trainer);
            if (quality == ACCEPTED) ++draft.accepted;
            if (quality == UNAVAILABLE) draft.unavailable = true;
        }
        draft.tampered = tamper && _tamper(result, submitters.length);
    }

    /// @dev Mostly accepted, else one of so many kinds.
    function _drawQuality(uint256 kinds) private returns (uint256) {
        return _oneIn(3) ? [ACCEPTED, REFUSED, UNRATED, UNAVAILABLE][_draw(kinds)] : ACCEPTED;
    }

    /// @dev Returns whether anything was changed.
    function _tamper(Result memory result, uint256 count) private returns (bool) {
        uint256 how = _draw(6);
        if (how == 0) result.weights = 0;
        if (how == 1) result.announcement = PROFILE;
        if (how == 2) _resize(result, count + 1);
        if (how < 3) return true;
        if (count == 0) return false;
        if (how == 3) _resize(result, count - 1);
        if (how == 4) _spoil(result, _draw(count));
        if (how == 5) return count > 1 && _swap(result, _draw(count - 1));
        return true;
    }

    function _resize(Result memory result, uint256 count) private pure {
        (uint256[] memory entries, bytes32[] memory receipts) = (result.entries, result.receipts);
        (result.entries, result.receipts) = (new uint256[](count), new bytes32[](count));
        for (uint256 i; i < count; ++i) {
            uint256 from = i < entries.length ? i : 0;
            if (entries.length != 0) (result.entries[i], result.receipts[i]) = (entries[from], receipts[from]);
        }
    }

    /// @dev One wrong trainer, receipt, quality, share or high bit.
    function _spoil(Result memory result, uint256 i) private {
        uint256 how = _draw(5);
        uint256 entry = result.entries[i];
        if (how == 0) result.entries[i] = entry ^ 1 << (48 + _draw(160));
        if (how == 1) result.receipts[i] = PROFILE;
        if (how == 2) result.entries[i] = entry & ~uint256(0xFFFF) | 1 + _draw(9_999);
        if (how == 3) result.entries[i] = _entry(address(uint160(entry >> 48)), 1, _oneIn(2) ? UNRATED : REFUSED);
        if (how == 4) result.entries[i] = entry | 1 << (208 + _draw(48));
    }

    function _swap(Result memory result, uint256 i) private pure returns (bool) {
        (result.entries[i], result.entries[i + 1]) = (result.entries[i + 1], result.entries[i]);
        (result.receipts[i], result.receipts[i + 1]) = (result.receipts[i + 1], result.receipts[i]);
        return true;
    }

    /* MODEL */

    /// @dev Mostly a round of some task at this stage, sometimes any.
    function _drawRound(Stage stage) internal returns (uint256 id, uint256 round) {
        uint256 first = _draw(taskCount);
        bool any = _oneIn(4);
        for (uint256 i; i < taskCount; ++i) {
            id = (first + i) % taskCount + 1;
            uint256 skip = _draw(tasks[id].round + 1);
            for (uint256 j; j <= tasks[id].round; ++j) {
                round = (skip + j) % (tasks[id].round + 1);
                if (any || rounds[id][round].stage == stage) return (id, round);
            }
        }
    }

    /// @dev The protocol's arithmetic, written a second time.
    function _pay(uint256 id, uint256 round) internal {
        TaskModel storage t = tasks[id];
        RoundModel storage r = rounds[id][round];
        uint256 shares;
        for (uint256 i; i < r.entries.length; ++i) {
            shares += uint32(r.entries[i] >> 16);
        }
        for (uint256 i; i < r.entries.length; ++i) {
            uint256 who = numberOf[address(uint160(r.entries[i] >> 48))];
            uint256 part = shares == 0 ? 0 : uint256(t.params.reward) * uint32(r.entries[i] >> 16) / shares;
            balance[who] += part;
            r.paid += part;
            _rate(who, r.entries[i] & 0xFFFF);
        }
        t.pool += t.params.reward - r.paid;
        _finish(id, round, Stage.Settled);
    }

    function _rate(uint256 who, uint256 quality) private {
        if (quality == UNRATED) return;
        reputation[who] -= reputation[who] / 8;
        if (quality == ACCEPTED) reputation[who] += 1_250;
    }
}
