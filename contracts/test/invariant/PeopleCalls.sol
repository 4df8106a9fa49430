// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";

import {World} from "./World.sol";

/// @notice Membership, keys and seats.
abstract contract PeopleCalls is World {
    constructor() {
        _offer(PeopleCalls.admit.selector, 2);
        _offer(PeopleCalls.remove.selector, 1);
        _offer(PeopleCalls.replace.selector, 1);
        _offer(PeopleCalls.setPayee.selector, 1);
        _offer(PeopleCalls.handOver.selector, 1);
        _offer(PeopleCalls.setPaused.selector, 1);
        _offer(PeopleCalls.joinTask.selector, 4);
        _offer(PeopleCalls.leaveTask.selector, 2);
        _offer(PeopleCalls.unseat.selector, 1);
    }

    /* MEMBERS */

    function admit(uint256 seed) external drawing(seed) {
        uint256 lost = known & ~admitted;
        uint256 who = _drawFrom(lost == 0 ? ALL_FOUNDERS : lost);
        address sender = _sender(owner);
        bool allowed = sender == owner && !_has(admitted, who) && successor[who] == 0;
        _admitAs(sender, who, allowed);
    }

    function remove(uint256 seed) external drawing(seed) {
        if (!_oneIn(2)) return;
        uint256 who = _drawFrom(admitted);
        address sender = _sender(owner);
        bool allowed = sender == owner && _has(admitted, who);
        if (!_attempt(sender, abi.encodeCall(federation.remove, (people[who])), allowed)) return;

        admitted = _without(admitted, who);
    }

    function replace(uint256 seed) external drawing(seed) {
        if (!_oneIn(2)) return;
        (uint256 old, uint256 next) = (_drawFrom(admitted), _drawFrom(ALL_KEYS & ~known));
        uint256 signer = _oneIn(8) ? _draw(PEOPLE) : payee[old];
        bytes32 digest = federation.replacementDigest(people[old], people[next], PROFILE);
        bytes memory signature = _sign(_key(signer), digest);
        address sender = _sender(owner);
        bool allowed = sender == owner && _has(admitted, old) && !_has(known, next) && signer == payee[old];
        bytes memory call = abi.encodeCall(federation.replace, (people[old], people[next], PROFILE, signature));
        if (!_attempt(sender, call, allowed)) return;

        admitted = _with(_without(admitted, old), next);
        known = _with(known, next);
        successor[old] = next + 1;
        reputation[next] = reputation[old];
        payee[next] = payee[old];
        ++happened["replace"];
    }

    function setPayee(uint256 seed) external drawing(seed) {
        (uint256 who, uint256 next) = (_drawFrom(known), _draw(PEOPLE));
        address sender = _sender(people[payee[who]]);
        bool allowed = sender == people[payee[who]];
        if (!_attempt(sender, abi.encodeCall(federation.setPayee, (people[who], people[next])), allowed)) return;

        payee[who] = next;
    }

    /* OWNER */

    function handOver(uint256 seed) external drawing(seed) {
        address next = owners[_draw(2)];
        _attempt(owner, abi.encodeCall(Ownable2Step.transferOwnership, (next)), true);
        address sender = _sender(next);
        if (_attempt(sender, abi.encodeCall(Ownable2Step.acceptOwnership, ()), sender == next)) owner = next;
    }

    function setPaused(uint256 seed) external drawing(seed) {
        address sender = _sender(owner);
        bool next = _oneIn(8);
        if (_attempt(sender, abi.encodeCall(federation.setPaused, (next)), sender == owner)) paused = next;
    }

    /* SEATS */

    function joinTask(uint256 seed) external drawing(seed) {
        uint256 id = _drawTask(_isRunning);
        TaskModel storage t = tasks[id];
        uint256 who = _drawFrom(admitted & ~t.seats);
        bytes32 terms = _oneIn(8) ? WEIGHTS : t.params.terms;
        bool consents = terms == t.params.terms;
        bool allowed = !paused && !t.ended && consents && _has(admitted, who) && !_has(t.seats, who);
        _joinAs(id, who, terms, allowed);
    }

    /// @dev Leaving always works: it depends on nothing but the seat.
    function leaveTask(uint256 seed) external drawing(seed) {
        uint256 id = _drawTask();
        uint256 who = _drawFrom(tasks[id].seats);
        bool allowed = _has(tasks[id].seats, who);
        if (_attempt(people[who], abi.encodeCall(federation.leaveTask, (id)), allowed)) _vacate(id, who);
    }

    function unseat(uint256 seed) external drawing(seed) {
        uint256 id = _drawTask();
        uint256 who = _drawFrom(tasks[id].seats & ~admitted);
        bool allowed = _has(tasks[id].seats, who) && !_has(admitted, who);
        if (_attempt(OUTSIDER, abi.encodeCall(federation.unseat, (id, people[who])), allowed)) _vacate(id, who);
    }

    /* HELPERS */

    function _admitAs(address sender, uint256 who, bool allowed) internal {
        if (!_attempt(sender, abi.encodeCall(federation.admit, (people[who], PROFILE)), allowed)) return;

        admitted = _with(admitted, who);
        if (!_has(known, who)) reputation[who] = 5_000;
        known = _with(known, who);
    }

    function _joinAs(uint256 id, uint256 who, bytes32 terms, bool allowed) internal {
        if (!_attempt(people[who], abi.encodeCall(federation.joinTask, (id, terms, POLICY)), allowed)) return;

        tasks[id].seats = _with(tasks[id].seats, who);
    }

    function _vacate(uint256 id, uint256 who) internal {
        tasks[id].seats = _without(tasks[id].seats, who);
        _stopWaiting(tasks[id], who);
    }
}
