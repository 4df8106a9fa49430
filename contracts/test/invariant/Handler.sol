// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IFederation, Result, Seat, Task} from "../../src/interfaces/IFederation.sol";
import {BaseTest} from "../BaseTest.sol";

/// @notice Calls the federation at random, in the name of whoever may, and remembers what must not change.
/// @dev A call that the contract refuses reverts and changes nothing here either.
contract Handler is BaseTest {
    struct Pending {
        uint256 task;
        uint256 round;
        uint256 settleAfter;
        uint256[] entries;
    }

    uint256 public constant TASKS = 2;
    uint256 public constant ACTORS = 5;

    /// @dev Submissions to each task's open round, in their order.
    mapping(uint256 task => address[]) internal submitters;
    Pending[] internal pending;

    mapping(address member => uint256) public reputation;
    mapping(uint256 task => mapping(uint256 round => bytes32)) public finalOutcome;
    mapping(uint256 task => uint256) public rounds;

    address internal immutable CREATOR = msg.sender;

    constructor() {
        super.setUp();
        _createTask(_params());
        _fund(TASKS, POOL);
        for (uint256 i; i < ACTORS; ++i) {
            _admit(actor(i));
            reputation[actor(i)] = 5_000;
        }
        for (task = 1; task <= TASKS; ++task) {
            for (uint256 i; i < 3; ++i) {
                _join(actor(i));
            }
        }
    }

    /// @dev The constructor has done it; not for the fuzzer.
    function setUp() public pure override {}

    modifier onTask(uint256 seed) {
        vm.warp(time);
        task = _bound(seed, 1, TASKS);
        _;
    }

    /// @dev Holds back what would soon leave nothing to call.
    modifier rarely(uint256 dice, uint256 sides) {
        if (dice % sides == 0) _;
    }

    /* READING */

    function contractUnderTest() external view returns (IFederation) {
        return federation;
    }

    function now_() external view returns (uint256) {
        return time;
    }

    function actor(uint256 seed) public pure returns (address) {
        return _trainer(_bound(seed, 0, ACTORS - 1));
    }

    function held() external view returns (uint256) {
        return token.balanceOf(address(federation));
    }

    /// @dev Rewards of open and pending rounds.
    function reserved() external view returns (uint256 amount) {
        amount = pending.length * REWARD;
        for (uint256 i = 1; i <= TASKS; ++i) {
            if (federation.taskOf(i).open) amount += REWARD;
        }
    }

    /* CALLS: MEMBERS AND MONEY */

    function wait(uint256 elapsed) external {
        _wait(_bound(elapsed, 1, WINDOW / 4));
    }

    function remove(uint256 who, uint256 dice) external onTask(0) rarely(dice, 4) {
        _remove(actor(who));
    }

    function admit(uint256 who) external onTask(0) {
        _admit(actor(who));
    }

    function fund(uint256 task_, uint256 amount) external onTask(task_) {
        _fund(task, _bound(amount, 0, POOL));
    }

    function withdraw(uint256 who) external onTask(0) {
        federation.withdraw(actor(who));
    }

    function end(uint256 task_, uint256 dice) external onTask(task_) rarely(dice, 16) {
        _end();
    }

    function defund(uint256 task_) external onTask(task_) {
        federation.defund(task);
    }

    /* CALLS: SEATS */

    function join(uint256 task_, uint256 who) external onTask(task_) {
        _join(actor(who));
    }

    function leaveTask(uint256 task_, uint256 who, uint256 dice) external onTask(task_) rarely(dice, 2) {
        _leave(actor(who));
    }

    function unseat(uint256 task_, uint256 who) external onTask(task_) {
        federation.unseat(task, actor(who));
    }

    /* CALLS: ROUNDS */

    function open(uint256 task_) external onTask(task_) {
        _openNext();
    }

    function submit(uint256 task_, uint256 who) external onTask(task_) {
        _submitAs(actor(who));
    }

    function close(uint256 task_, uint256 seed) external onTask(task_) {
        _closeLast(seed);
    }

    /// @dev A round from beginning to end, so that many are closed; a time-out seals it when not all can submit.
    function play(uint256 task_, uint256 seed) external onTask(task_) {
        if (!_task().open) _openNext();
        for (uint256 i; i < ACTORS; ++i) {
            if (_canSubmit(actor(i))) _submitAs(actor(i));
        }
        if (_task().submitted < _task().expected) _wait(WINDOW + 1);
        _closeLast(seed);
    }

    function settle(uint256 index) external onTask(0) {
        _settlePending(pending[index % pending.length]);
    }

    function voidPending(uint256 index, uint256 dice) external onTask(0) rarely(dice, 4) {
        Pending memory p = pending[index % pending.length];
        task = p.task;
        _void(p.round);
        _finish(p.round);
    }

    function voidOpen(uint256 task_, uint256 dice) external onTask(task_) rarely(dice, 4) {
        _void(_task().round);
        _finish(_task().round);
    }

    function fail(uint256 task_, bool byAggregator, uint256 dice) external onTask(task_) rarely(dice, 2) {
        _failAs(byAggregator ? AGGREGATOR : OUTSIDER);
    }

    /* AFTER A RUN */

    /// @notice Ends every round and task by time and outsiders' calls, settles, and sends all money where it belongs.
    function unwind() external {
        require(msg.sender == CREATOR);
        _wait(uint256(WINDOW) + CLOSE_WINDOW + 1);
        while (pending.length != 0) _settlePending(pending[0]);
        for (task = 1; task <= TASKS; ++task) {
            if (_task().open) _failAs(OUTSIDER);
            if (!_task().ended) _end();
            if (_task().pool != 0) federation.defund(task);
            _leaveAll();
        }
        for (uint256 i; i < ACTORS; ++i) {
            if (_balance(actor(i)) != 0) federation.withdraw(actor(i));
        }
    }

    /* HELPERS */

    function _openNext() private {
        uint256 round = _task().round + 1;
        _open(round);
        delete submitters[task];
        rounds[task] = round;
    }

    function _canSubmit(address member) private view returns (bool) {
        Task memory t = _task();
        Seat memory seat = federation.seatOf(task, member);
        bool awaited = seat.joined && seat.since <= t.round && seat.last != t.round;
        return awaited && time <= t.deadline && federation.memberOf(member).admitted;
    }

    function _submitAs(address member) private {
        _submit(_task().round, member);
        submitters[task].push(member);
    }

    function _closeLast(uint256 seed) private {
        uint256 round = _task().round;
        Result memory result = _decide(round, seed);
        uint256 settleAfter = _close(round, result);
        pending.push(Pending(task, round, settleAfter, result.entries));
    }

    function _settlePending(Pending memory p) private {
        task = p.task;
        _settle(p.round, p.settleAfter, p.entries);
        for (uint256 i; i < p.entries.length; ++i) {
            _rate(address(uint160(p.entries[i] >> 48)), p.entries[i] & 0xFFFF);
        }
        _finish(p.round);
    }

    function _failAs(address sender) private {
        uint256 round = _task().round;
        vm.prank(sender);
        federation.failRound(task, round, REASON);
        _finish(round);
    }

    function _leaveAll() private {
        for (uint256 i; i < ACTORS; ++i) {
            if (federation.seatOf(task, actor(i)).joined) _leave(actor(i));
        }
    }

    /// @dev The first two are always accepted: that is the quorum.
    function _decide(uint256 round, uint256 seed) private view returns (Result memory result) {
        address[] memory trainers = submitters[task];
        result = _result(round, trainers.length);
        for (uint256 i; i < trainers.length; ++i) {
            uint256 dice = uint256(keccak256(abi.encode(seed, i)));
            uint256 quality = i < 2 || dice % 4 != 0 ? ACCEPTED : dice % 8 == 0 ? REFUSED : UNRATED;
            uint256 share = quality == ACCEPTED ? uint32(dice >> 64) : 0;
            result.entries[i] = _entry(trainers[i], share, quality);
            result.receipts[i] = _receipt(round, trainers[i]);
        }
    }

    /// @dev The protocol's rule, written a second time.
    function _rate(address member, uint256 quality) private {
        uint256 r = reputation[member];
        if (quality != UNRATED) reputation[member] = r - r / 8 + quality / 8;
    }

    function _finish(uint256 round) private {
        finalOutcome[task][round] = _outcome(round);
        for (uint256 i; i < pending.length; ++i) {
            if (pending[i].task != task || pending[i].round != round) continue;
            pending[i] = pending[pending.length - 1];
            pending.pop();
            return;
        }
    }
}
