// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

import {IFederation, Member, Result, Seat, Task, TaskParams} from "../src/interfaces/IFederation.sol";
import {VM, Vm} from "./Vm.sol";

/// @notice The token of the tests, and what its mocks share with it.
interface IMintable is IERC20 {
    function mint(address to, uint256 amount) external;
}

/// @notice Named actors, one funded task, and a round's steps in one line each.
abstract contract BaseTest {
    bytes32 internal constant TERMS = keccak256("terms");
    bytes32 internal constant WEIGHTS = keccak256("weights 0");
    bytes32 internal constant PROFILE = keccak256("profile");
    bytes32 internal constant POLICY = keccak256("policy");
    bytes32 internal constant REASON = keccak256("reason");

    uint128 internal constant REWARD = 1e18;
    uint256 internal constant POOL = 100e18;
    uint16 internal constant QUORUM = 2;
    uint32 internal constant WINDOW = 1 hours;
    uint32 internal constant CLOSE_WINDOW = 600;
    uint32 internal constant SETTLE_DELAY = 60;

    uint256 internal constant ACCEPTED = 10_000;
    uint256 internal constant REFUSED = 0;
    uint256 internal constant UNAVAILABLE = 0xFFFE;
    uint256 internal constant UNRATED = 0xFFFF;

    Vm internal constant vm = VM;

    address internal immutable OWNER = vm.addr(1);
    address internal immutable AGGREGATOR = vm.addr(2);
    address internal immutable SPONSOR = vm.addr(3);
    address internal immutable OUTSIDER = vm.addr(4);

    IFederation internal federation;
    IMintable internal token;
    uint256 internal task;
    /// @dev Kept here because the optimizer takes `block.timestamp` for constant within a test.
    uint256 internal time = 1_700_000_000;

    function setUp() public virtual {
        vm.warp(time);
        token = _deployToken();
        federation = _deploy(address(token));
        task = _createTask(_params());
        _fund(task, POOL);
    }

    function _deployToken() internal returns (IMintable) {
        return IMintable(_create(vm.getCode("FederationToken.sol")));
    }

    /// @dev From the artifact, so that tests run the bytecode that ships.
    function _deploy(address token_) internal returns (IFederation) {
        bytes memory code = bytes.concat(vm.getCode("Federation.sol"), abi.encode(token_));
        vm.prank(OWNER);
        return IFederation(_create(code));
    }

    function _create(bytes memory code) private returns (address deployed) {
        assembly {
            deployed := create(0, add(code, 0x20), mload(code))
            if iszero(deployed) {
                returndatacopy(0, 0, returndatasize())
                revert(0, returndatasize())
            }
        }
    }

    /* ACTORS */

    function _key(uint256 i) internal pure returns (uint256) {
        return 1000 + i;
    }

    function _trainer(uint256 i) internal pure returns (address) {
        return vm.addr(_key(i));
    }

    function _admit(address member) internal {
        vm.prank(OWNER);
        federation.admit(member, PROFILE);
    }

    function _remove(address member) internal {
        vm.prank(OWNER);
        federation.remove(member);
    }

    function _join(address member) internal {
        vm.prank(member);
        federation.joinTask(task, TERMS, POLICY);
    }

    function _leave(address member) internal {
        vm.prank(member);
        federation.leaveTask(task);
    }

    function _seat(uint256 count) internal {
        for (uint256 i; i < count; ++i) {
            _admit(_trainer(i));
            _join(_trainer(i));
        }
    }

    /* TASKS */

    function _params() internal view returns (TaskParams memory) {
        return TaskParams({
            terms: TERMS,
            weights: WEIGHTS,
            aggregator: AGGREGATOR,
            sponsor: SPONSOR,
            reward: REWARD,
            quorum: QUORUM,
            window: WINDOW,
            closeWindow: CLOSE_WINDOW,
            settleDelay: SETTLE_DELAY
        });
    }

    function _createTask(TaskParams memory params) internal returns (uint256) {
        vm.prank(OWNER);
        return federation.createTask(params);
    }

    function _fund(uint256 task_, uint256 amount) internal {
        token.mint(address(this), amount);
        token.approve(address(federation), amount);
        federation.fund(task_, amount);
    }

    function _pause() internal {
        vm.prank(OWNER);
        federation.setPaused(true);
    }

    function _end() internal {
        vm.prank(SPONSOR);
        federation.endTask(task);
    }

    /* ROUNDS */

    function _wait(uint256 elapsed) internal {
        time += elapsed;
        vm.warp(time);
    }

    function _announcement(uint256 round) internal pure returns (bytes32) {
        return keccak256(abi.encode("announcement", round));
    }

    function _receipt(uint256 round, address trainer) internal pure returns (bytes32) {
        return keccak256(abi.encode("receipt", round, trainer));
    }

    function _open(uint256 round) internal {
        bytes32 base = federation.taskOf(task).weights;
        vm.prank(AGGREGATOR);
        federation.openRound(task, round, base, _announcement(round));
    }

    function _submit(uint256 round, address trainer) internal {
        vm.prank(trainer);
        federation.submitUpdate(task, round, _receipt(round, trainer));
    }

    /// @dev Seats `count` trainers, opens round 1, and has all submit.
    function _sealFirstRound(uint256 count) internal {
        _seat(count);
        _sealRound(1, count);
    }

    function _sealRound(uint256 round, uint256 count) internal {
        _open(round);
        for (uint256 i; i < count; ++i) {
            _submit(round, _trainer(i));
        }
    }

    /// @dev A result over the first `count` trainers, all accepted with the same share.
    function _result(uint256 round, uint256 count) internal pure returns (Result memory result) {
        result.announcement = _announcement(round);
        result.weights = keccak256(abi.encode("weights", round));
        result.manifest = keccak256(abi.encode("manifest", round));
        result.entries = new uint256[](count);
        result.receipts = new bytes32[](count);
        for (uint256 i; i < count; ++i) {
            result.entries[i] = _entry(_trainer(i), 1, ACCEPTED);
            result.receipts[i] = _receipt(round, _trainer(i));
        }
    }

    function _entry(address trainer, uint256 share, uint256 quality) internal pure returns (uint256) {
        return uint256(uint160(trainer)) << 48 | share << 16 | quality;
    }

    function _close(uint256 round, Result memory result) internal returns (uint256 settleAfter) {
        vm.prank(AGGREGATOR);
        federation.closeRound(task, round, result);
        return time + SETTLE_DELAY;
    }

    /// @dev Waits for the delay and settles.
    function _settle(uint256 round, uint256 settleAfter, uint256[] memory entries) internal {
        if (time < settleAfter) _wait(settleAfter - time);
        federation.settleRound(task, round, settleAfter, entries);
    }

    function _void(uint256 round) internal {
        vm.prank(OWNER);
        federation.voidRound(task, round, REASON);
    }

    /* READING */

    function _task() internal view returns (Task memory) {
        return federation.taskOf(task);
    }

    function _balance(address member) internal view returns (uint256) {
        return federation.memberOf(member).balance;
    }

    function _reputation(address member) internal view returns (uint256) {
        return federation.memberOf(member).reputation;
    }

    function _outcome(uint256 round) internal view returns (bytes32) {
        return federation.outcomeOf(task, round);
    }

    function _sign(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function _bound(uint256 value, uint256 lowest, uint256 highest) internal pure returns (uint256) {
        return lowest + value % (highest - lowest + 1);
    }

    /// @dev The next call, by `OUTSIDER`, must be refused because it is the owner's.
    function _expectNotOwner() internal {
        vm.prank(OUTSIDER);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, OUTSIDER));
    }

    /// @dev The next call, by `sender`, must revert with this error's selector.
    function _expect(address sender, bytes4 selector) internal {
        vm.prank(sender);
        vm.expectRevert(selector);
    }
}
