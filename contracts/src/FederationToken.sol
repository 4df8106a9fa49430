// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title FederationToken
/// @notice A payment token for federations that have none: the owner mints.
contract FederationToken is ERC20, Ownable {
    constructor() ERC20("Federation Token", "FED") Ownable(msg.sender) {}

    /// @notice Creates `amount` (18 decimals) for `to`.
    function mint(address to, uint256 amount) external onlyOwner {
        _mint(to, amount);
    }
}
