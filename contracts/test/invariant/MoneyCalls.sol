// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {HostileToken, ITransferHook} from "../mocks/HostileToken.sol";
import {World} from "./World.sol";

/// @notice Every call that moves the token, and what a hostile token does meanwhile.
abstract contract MoneyCalls is World, ITransferHook {
    constructor() {
        _offer(MoneyCalls.fund.selector, 1);
        _offer(MoneyCalls.withdraw.selector, 3);
        _offer(MoneyCalls.defund.selector, 1);
        _offer(MoneyCalls.donate.selector, 1);
        _offer(MoneyCalls.changeToken.selector, 2);
    }

    function fund(uint256 seed) external drawing(seed) {
        uint256 id = _drawTask(_isRunning);
        _fundAs(id, _oneIn(2) ? OUTSIDER : owner, _draw(5 * tasks[id].params.reward + 2));
    }

    /// @dev Whatever else holds, who has earned something can be paid.
    function withdraw(uint256 seed) external drawing(seed) {
        uint256 who = _drawFrom(_creditors());
        (uint256 amount, uint256 to) = (balance[who], payee[who]);
        bool allowed = amount != 0 && _moves(address(federation), people[to], amount);
        bytes memory call = abi.encodeCall(federation.withdraw, (people[who]));
        if (!_attemptTransfer(OUTSIDER, call, allowed)) return;

        balance[who] -= amount;
        received[to] += amount - _fee(amount);
        ++happened["withdraw"];
    }

    function defund(uint256 seed) external drawing(seed) {
        uint256 id = _drawTask(_canDefund);
        TaskModel storage t = tasks[id];
        (uint256 amount, address to) = (t.pool, t.params.sponsor);
        bool allowed = t.ended && amount != 0 && _moves(address(federation), to, amount);
        if (!_attemptTransfer(OUTSIDER, abi.encodeCall(federation.defund, (id)), allowed)) return;

        t.pool -= amount;
        received[numberOf[to]] += amount - _fee(amount);
        ++happened["defund"];
    }

    /// @dev Money that came past `fund` is nobody's, and disturbs nobody.
    function donate(uint256 seed) external drawing(seed) {
        if (inTransfer) return;
        uint256 amount = 1 + _draw(REWARD);
        token.mint(address(federation), amount);
        donated += amount;
    }

    function changeToken(uint256 seed) external drawing(seed) {
        if (!HOSTILE || inTransfer) return;
        HostileToken mock = HostileToken(address(token));
        address account = _oneIn(16) ? OUTSIDER : people[_draw(PEOPLE)];
        if (_oneIn(2)) mock.setMood(_oneIn(2) ? HostileToken.Mood.CallsBack : HostileToken.Mood(_draw(6)));
        else mock.setBarred(account, !mock.barred(account));
    }

    /// @notice The token calls back in the middle of a transfer, and somebody uses the moment.
    function onTransfer() external {
        require(msg.sender == address(token) && inTransfer);
        (bool done,) = address(this).call(abi.encodeWithSelector(selectors[_draw(selectors.length)], _draw(1 << 128)));
        require(done);
        ++happened["callback"];
    }

    /* HELPERS */

    function _fundAs(uint256 id, address from, uint256 amount) internal {
        TaskModel storage t = tasks[id];
        token.mint(from, amount);
        vm.prank(from);
        token.approve(address(federation), amount);
        bool allowed = !t.ended && _moves(from, address(federation), amount) && _fee(amount) == 0;
        if (_attemptTransfer(from, abi.encodeCall(federation.fund, (id, amount)), allowed)) t.pool += amount;
    }

    function _attemptTransfer(address sender, bytes memory call, bool allowed) private returns (bool done) {
        if (inTransfer) return _attempt(sender, call, false);
        inTransfer = true;
        done = _attempt(sender, call, allowed);
        inTransfer = false;
    }

    /// @dev Whether the token lets this transfer happen.
    function _moves(address from, address to, uint256 amount) internal view returns (bool) {
        if (!HOSTILE) return true;
        HostileToken mock = HostileToken(address(token));
        HostileToken.Mood mood = mock.mood();
        if (mood == HostileToken.Mood.ReturnsFalse) return false;
        return amount == 0 || (mood != HostileToken.Mood.Reverts && !mock.barred(from) && !mock.barred(to));
    }

    function _fee(uint256 amount) internal view returns (uint256) {
        if (!HOSTILE || amount == 0) return 0;
        return HostileToken(address(token)).mood() == HostileToken.Mood.TakesFee ? 1 : 0;
    }

    function _creditors() internal view returns (uint256 set) {
        for (uint256 i; i < KEYS; ++i) {
            if (balance[i] != 0) set = _with(set, i);
        }
    }
}
