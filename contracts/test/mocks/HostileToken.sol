// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @notice What a token that gives its receivers a say calls.
interface ITransferHook {
    function onTransfer() external;
}

/// @notice A token that does to the federation what tokens have done to others: one mood at a time, and a list of the
/// barred.
contract HostileToken is ERC20("Hostile", "HOST") {
    enum Mood {
        Honest,
        TakesFee,
        Reverts,
        ReturnsFalse,
        ReturnsNothing,
        CallsBack
    }

    Mood public mood;
    mapping(address account => bool) public barred;
    ITransferHook internal hook;

    error Barred();
    error Reverted();

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function setMood(Mood next) external {
        mood = next;
    }

    function setBarred(address account, bool next) external {
        barred[account] = next;
    }

    function setHook(ITransferHook next) external {
        hook = next;
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        if (mood == Mood.ReturnsFalse) return false;
        super.transfer(to, amount);
        return _answer();
    }

    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        if (mood == Mood.ReturnsFalse) return false;
        super.transferFrom(from, to, amount);
        return _answer();
    }

    /// @dev Without a word of return data where the mood is to return nothing.
    function _answer() private view returns (bool) {
        if (mood == Mood.ReturnsNothing) {
            assembly ("memory-safe") {
                return(0, 0)
            }
        }
        return true;
    }

    function _update(address from, address to, uint256 amount) internal override {
        super._update(from, to, amount);
        bool minted = from == address(0) || to == address(0);
        if (minted || amount == 0) return;
        require(mood != Mood.Reverts, Reverted());
        require(!barred[from] && !barred[to], Barred());
        if (mood == Mood.TakesFee) _burn(to, 1);
        if (mood == Mood.CallsBack) hook.onTransfer();
    }
}
