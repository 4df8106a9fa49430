// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IMintable} from "../BaseTest.sol";
import {ContractWallet} from "../mocks/ContractWallet.sol";
import {HostileToken} from "../mocks/HostileToken.sol";
import {Model} from "./Model.sol";

/// @notice A federation, its people, and chance. Every call to the federation goes through `_attempt`, which demands the
/// model's answer.
abstract contract World is Model {
    uint256 internal constant FOUNDERS = 8; // members from the start
    uint256 internal constant ALL_FOUNDERS = (1 << FOUNDERS) - 1;
    uint256 internal constant ALL_KEYS = (1 << KEYS) - 1;

    bool internal immutable HOSTILE;

    address[PEOPLE] internal people; // every fourth a contract that signs by ERC-1271
    mapping(address person => uint256) internal numberOf;
    address[2] internal owners;
    address[3] internal aggregators;

    /// @notice How often a call of this kind has succeeded.
    mapping(string call => uint256) public happened;
    /// @dev Set in the middle of a call that moves money.
    bool internal inTransfer;
    bytes4[] internal selectors;
    uint256 private dice;

    constructor(bool hostile) {
        vm.warp(time);
        HOSTILE = hostile;
        token = hostile ? IMintable(address(new HostileToken())) : _deployToken();
        federation = _deploy(address(token));
        owners = [OWNER, vm.addr(5)];
        owner = OWNER;
        aggregators = [AGGREGATOR, vm.addr(6), vm.addr(7)];
        for (uint256 i; i < PEOPLE; ++i) {
            people[i] = i % 4 == 3 ? address(new ContractWallet(_trainer(i))) : _trainer(i);
            numberOf[people[i]] = i;
            if (i < KEYS) payee[i] = i;
        }
    }

    /// @dev The constructor has done it.
    function setUp() public pure override {}

    /// @notice What the fuzzer calls, some of it more often.
    function calls() public view returns (bytes4[] memory) {
        return selectors;
    }

    function _offer(bytes4 selector, uint256 times) internal {
        for (uint256 i; i < times; ++i) {
            selectors.push(selector);
        }
    }

    /// @dev The federation and the model must agree on whether this call is allowed.
    function _attempt(address sender, bytes memory call, bool allowed) internal returns (bool) {
        vm.warp(time);
        vm.prank(sender);
        (bool done,) = address(federation).call(call);
        vm.assertTrue(done == allowed, allowed ? "refused what is allowed" : "allowed what is to be refused");
        return done;
    }

    /// @dev To this moment or the second after it, unless it has passed; within a transfer time stands still.
    function _waitAbout(uint256 moment) internal {
        moment += _draw(2);
        if (moment > time && !inTransfer) time = moment;
    }

    /* CHANCE: each call draws what it needs from its one seed */

    modifier drawing(uint256 seed) {
        dice = seed;
        _;
    }

    function _draw(uint256 sides) internal returns (uint256) {
        dice = uint256(keccak256(abi.encode(dice)));
        return dice % sides;
    }

    function _oneIn(uint256 sides) internal returns (bool) {
        return _draw(sides) == 0;
    }

    /// @dev Mostly the one who may, sometimes somebody else.
    function _sender(address rightful) internal returns (address) {
        if (!_oneIn(8)) return rightful;
        address[4] memory others = [OUTSIDER, owners[_draw(2)], aggregators[_draw(3)], people[_draw(PEOPLE)]];
        return others[_draw(4)];
    }

    /// @dev Mostly one of the set, sometimes any key.
    function _drawFrom(uint256 set) internal returns (uint256 who) {
        who = _draw(KEYS);
        if (set == 0 || _oneIn(8)) return who;
        while (!_has(set, who)) who = (who + 1) % KEYS;
    }

    /// @dev Mostly a task that fits, sometimes any.
    function _drawTask(function(TaskModel storage) view returns (bool) fits) internal returns (uint256 id) {
        uint256 first = _drawTask();
        if (_oneIn(8)) return first;
        for (uint256 i; i < taskCount; ++i) {
            id = (first + i) % taskCount + 1;
            if (fits(tasks[id])) return id;
        }
    }

    function _drawTask() internal returns (uint256) {
        return 1 + _draw(taskCount);
    }
}
