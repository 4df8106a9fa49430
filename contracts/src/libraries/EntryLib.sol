// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {FULL_QUALITY, REFUSED, UNAVAILABLE, UNRATED} from "./ConstantsLib.sol";

/// @title EntryLib
/// @notice One trainer's line in a closed round, in one word: `trainer << 48 | share << 16 | quality`.
library EntryLib {
    function trainer(uint256 entry) internal pure returns (address) {
        return address(uint160(entry >> 48));
    }

    function share(uint256 entry) internal pure returns (uint256) {
        return uint32(entry >> 16);
    }

    function quality(uint256 entry) internal pure returns (uint256) {
        return uint16(entry);
    }

    /// @dev What the entry gets of a reward below 2^128, which leaves room for a share below 2^32.
    function partOf(uint256 entry, uint256 reward, uint256 shares) internal pure returns (uint256) {
        if (shares == 0) return 0;
        unchecked {
            return reward * share(entry) / shares;
        }
    }

    /// @dev Nothing above the trainer, a known quality, and a share only for who was accepted.
    function isValid(uint256 entry) internal pure returns (bool) {
        if (entry >> 208 != 0) return false;
        uint256 q = quality(entry);
        if (q == FULL_QUALITY) return true;
        return share(entry) == 0 && (q == REFUSED || q == UNAVAILABLE || q == UNRATED);
    }
}
