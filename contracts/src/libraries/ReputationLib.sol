// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {FULL_QUALITY, UNRATED} from "./ConstantsLib.sol";

/// @title ReputationLib
/// @notice A moving average over eight rounds. From any start in 7 to 10,000 it stays there.
library ReputationLib {
    /// @dev The reputation after a round of this quality; whatever is not full or unrated counts as 0.
    function rated(uint256 reputation, uint256 quality) internal pure returns (uint256) {
        if (quality == UNRATED) return reputation;
        uint256 gain = quality == FULL_QUALITY ? FULL_QUALITY / 8 : 0;
        unchecked {
            return reputation - reputation / 8 + gain; // at most 10,000
        }
    }
}
