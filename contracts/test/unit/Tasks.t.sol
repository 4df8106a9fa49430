// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";

import {IFederation, Result, Task, TaskParams} from "../../src/interfaces/IFederation.sol";
import {BaseTest} from "../BaseTest.sol";

contract TasksTest is BaseTest {
    /* CONSTRUCTOR */

    function test_a_token_without_code_is_refused() public {
        vm.expectRevert(IFederation.BadAddress.selector);
        this.deploy(OUTSIDER);
    }

    /// @dev A call of its own, as `expectRevert` needs.
    function deploy(address token_) external {
        _deploy(token_);
    }

    function test_the_deployer_owns_the_federation_and_its_token_stays() public view {
        vm.assertEq(Ownable(address(federation)).owner(), OWNER, "owner");
        vm.assertEq(federation.token(), address(token), "token");
        vm.assertEq(federation.taskCount(), 1, "tasks");
    }

    /* PAUSE */

    function test_only_the_owner_pauses() public {
        _expectNotOwner();
        federation.setPaused(true);
    }

    function test_a_pause_can_be_ended() public {
        vm.expectEmit(address(federation));
        emit IFederation.PausedSet(true);
        _pause();
        vm.assertTrue(federation.paused(), "paused");

        vm.prank(OWNER);
        federation.setPaused(false);
        vm.assertTrue(!federation.paused(), "running");
    }

    function test_a_pause_stops_only_new_rounds_joins_and_tasks() public {
        _seat(3);
        _open(1);
        _pause();
        _submit(1, _trainer(0));
        _submit(1, _trainer(1));
        _leave(_trainer(2));
        Result memory result = _result(1, 2);
        _settle(1, _close(1, result), result.entries);
        _fund(task, 1);
        federation.withdraw(_trainer(0));
        _end();
        federation.defund(task);
    }

    /* CREATE */

    function test_only_the_owner_creates_tasks() public {
        TaskParams memory params = _params();
        _expectNotOwner();
        federation.createTask(params);
    }

    function test_no_task_is_created_in_a_pause() public {
        _pause();
        TaskParams memory params = _params();
        _expect(OWNER, IFederation.IsPaused.selector);
        federation.createTask(params);
    }

    function test_a_task_needs_terms() public {
        TaskParams memory params = _params();
        params.terms = 0;
        _expectBadParams(params);
    }

    function test_a_task_needs_weights() public {
        TaskParams memory params = _params();
        params.weights = 0;
        _expectBadParams(params);
    }

    function test_a_task_needs_a_quorum() public {
        TaskParams memory params = _params();
        params.quorum = 0;
        _expectBadParams(params);
    }

    function test_a_quorum_above_512_is_refused() public {
        TaskParams memory params = _params();
        params.quorum = 513;
        _expectBadParams(params);
        params.quorum = 512;
        _createTask(params);
    }

    function test_a_task_needs_a_window() public {
        TaskParams memory params = _params();
        params.window = 0;
        _expectBadParams(params);
        params.window = 1;
        _createTask(params);
    }

    function test_a_close_window_has_two_seconds_at_least() public {
        TaskParams memory params = _params();
        params.closeWindow = 1;
        _expectBadParams(params);
        params.closeWindow = 2;
        _createTask(params);
    }

    function test_neither_zero_nor_the_federation_is_a_sponsor() public {
        TaskParams memory params = _params();
        params.sponsor = address(0);
        _expectBadParams(params);
        params.sponsor = address(federation);
        _expectBadParams(params);
    }

    function test_a_task_holds_what_it_was_created_with() public {
        vm.roll(123);
        TaskParams memory params = _params();
        vm.expectEmit(address(federation));
        emit IFederation.TaskCreated(2, params);
        uint256 created = _createTask(params);

        vm.assertEq(created, 2, "number");
        vm.assertEq(federation.taskCount(), 2, "count");
        Task memory t = federation.taskOf(created);
        vm.assertEq(t.terms, TERMS, "terms");
        vm.assertEq(t.weights, WEIGHTS, "weights");
        vm.assertEq(t.aggregator, AGGREGATOR, "aggregator");
        vm.assertEq(t.sponsor, SPONSOR, "sponsor");
        vm.assertEq(t.reward, REWARD, "reward");
        vm.assertEq(t.quorum, QUORUM, "quorum");
        vm.assertEq(t.window, WINDOW, "window");
        vm.assertEq(t.closeWindow, CLOSE_WINDOW, "close window");
        vm.assertEq(t.settleDelay, SETTLE_DELAY, "settle delay");
        vm.assertEq(t.createdAt, 123, "created at");
        vm.assertEq(t.round, 0, "round");
        vm.assertTrue(!t.open && !t.ended, "idle");
    }

    /* AGGREGATOR */

    function test_only_the_owner_names_the_aggregator() public {
        _expectNotOwner();
        federation.setAggregator(task, OUTSIDER);
    }

    function test_an_unknown_task_has_no_aggregator() public {
        _expect(OWNER, IFederation.UnknownTask.selector);
        federation.setAggregator(2, OUTSIDER);
    }

    function test_an_open_round_is_the_next_aggregators_to_close() public {
        _sealFirstRound(2);
        vm.expectEmit(address(federation));
        emit IFederation.AggregatorSet(task, OUTSIDER);
        vm.prank(OWNER);
        federation.setAggregator(task, OUTSIDER);

        Result memory result = _result(1, 2);
        _expect(AGGREGATOR, IFederation.NotAggregator.selector);
        federation.closeRound(task, 1, result);
        vm.prank(OUTSIDER);
        federation.closeRound(task, 1, result);
        vm.assertEq(_task().weights, result.weights, "weights");
    }

    /* END */

    function test_only_owner_and_sponsor_end_a_task() public {
        _expect(OUTSIDER, IFederation.NotSponsor.selector);
        federation.endTask(task);
        _expect(AGGREGATOR, IFederation.NotSponsor.selector);
        federation.endTask(task);
    }

    function test_an_unknown_task_is_not_ended() public {
        _expect(OWNER, IFederation.UnknownTask.selector);
        federation.endTask(2);
    }

    function test_a_task_ends_once() public {
        _end();
        _expect(OWNER, IFederation.TaskHasEnded.selector);
        federation.endTask(task);
    }

    function test_the_owner_ends_a_task() public {
        vm.prank(OWNER);
        federation.endTask(task);
        vm.assertTrue(_task().ended, "ended");
    }

    function test_the_open_round_of_an_ended_task_is_closed_and_paid() public {
        _sealFirstRound(2);
        vm.expectEmit(address(federation));
        emit IFederation.TaskEnded(task);
        _end();
        federation.defund(task);
        Result memory result = _result(1, 2);
        _settle(1, _close(1, result), result.entries);
        vm.assertEq(_balance(_trainer(0)) + _balance(_trainer(1)), REWARD, "paid");
    }

    /* FUND */

    function test_an_unknown_task_is_not_funded() public {
        vm.expectRevert(IFederation.UnknownTask.selector);
        federation.fund(2, 1);
    }

    function test_an_ended_task_is_not_funded() public {
        _end();
        vm.expectRevert(IFederation.TaskHasEnded.selector);
        federation.fund(task, 1);
    }

    function test_without_an_allowance_nothing_is_funded() public {
        bytes4 selector = IERC20Errors.ERC20InsufficientAllowance.selector;
        vm.expectRevert(abi.encodeWithSelector(selector, address(federation), 0, 1));
        federation.fund(task, 1);
    }

    function test_the_federation_never_holds_2_to_the_128() public {
        uint256 room = type(uint128).max - POOL;
        token.mint(address(this), room + 1);
        token.approve(address(federation), room + 1);
        vm.expectRevert(IFederation.WrongAmount.selector);
        federation.fund(task, room + 1);
        federation.fund(task, room);
        vm.assertEq(_task().pool, type(uint128).max, "pool");
    }

    function test_anyone_funds_a_task() public {
        token.mint(OUTSIDER, 5);
        vm.startPrank(OUTSIDER);
        token.approve(address(federation), 5);
        vm.expectEmit(address(federation));
        emit IFederation.Funded(task, OUTSIDER, 5);
        federation.fund(task, 5);
        vm.stopPrank();
        vm.assertEq(_task().pool, POOL + 5, "pool");
        vm.assertEq(token.balanceOf(address(federation)), POOL + 5, "held");
    }

    /* DEFUND */

    function test_an_unknown_task_is_not_defunded() public {
        vm.expectRevert(IFederation.UnknownTask.selector);
        federation.defund(2);
    }

    function test_a_running_task_is_not_defunded() public {
        _expect(SPONSOR, IFederation.NotEnded.selector);
        federation.defund(task);
    }

    function test_an_empty_pool_is_not_defunded() public {
        _end();
        federation.defund(task);
        vm.expectRevert(IFederation.NothingToPay.selector);
        federation.defund(task);
    }

    function test_the_free_pool_goes_to_the_sponsor_whoever_calls() public {
        _end();
        vm.expectEmit(address(federation));
        emit IFederation.Defunded(task, SPONSOR, POOL);
        vm.prank(OUTSIDER);
        federation.defund(task);
        vm.assertEq(token.balanceOf(SPONSOR), POOL, "received");
    }

    function test_an_open_rounds_reward_stays_until_the_round_returns_it() public {
        _sealFirstRound(2);
        _end();
        federation.defund(task);
        vm.assertEq(token.balanceOf(SPONSOR), POOL - REWARD, "first");

        _void(1);
        federation.defund(task);
        vm.assertEq(token.balanceOf(SPONSOR), POOL, "second");
    }

    /* RESET */

    function test_only_the_owner_resets_weights() public {
        _expectNotOwner();
        federation.resetWeights(task, WEIGHTS, REASON);
    }

    function test_an_unknown_task_has_no_weights_to_reset() public {
        _expect(OWNER, IFederation.UnknownTask.selector);
        federation.resetWeights(2, WEIGHTS, REASON);
    }

    function test_weights_are_not_reset_under_an_open_round() public {
        _seat(2);
        _open(1);
        _expect(OWNER, IFederation.StillOpen.selector);
        federation.resetWeights(task, WEIGHTS, REASON);
    }

    function test_weights_are_not_reset_to_nothing() public {
        _expect(OWNER, IFederation.BadParams.selector);
        federation.resetWeights(task, 0, REASON);
    }

    function test_the_next_round_starts_from_the_reset_weights() public {
        _sealFirstRound(2);
        _close(1, _result(1, 2));
        vm.expectEmit(address(federation));
        emit IFederation.WeightsReset(task, WEIGHTS, REASON);
        vm.prank(OWNER);
        federation.resetWeights(task, WEIGHTS, REASON);

        vm.prank(AGGREGATOR);
        federation.openRound(task, 2, WEIGHTS, _announcement(2));
    }

    /* TOKEN */

    function test_only_the_owner_of_the_token_mints() public {
        _expectNotOwner();
        token.mint(OUTSIDER, 1);
    }

    /* HELPERS */

    function _expectBadParams(TaskParams memory params) private {
        _expect(OWNER, IFederation.BadParams.selector);
        federation.createTask(params);
    }
}
