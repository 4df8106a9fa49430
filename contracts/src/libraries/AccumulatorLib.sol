// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title AccumulatorLib
/// @notice A round's submissions, in their order, as one word that only the same submissions give again.
library AccumulatorLib {
    /// @dev No two rounds of any task, contract or chain start alike.
    function seed(uint256 task, uint256 round, bytes32 announcement) internal view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), task, round, announcement));
    }

    /// @dev `keccak256(abi.encode(accumulator, trainer, receipt))`. In assembly because abi.encode takes new memory each
    /// time, which alone would put a close of 50 submissions above its gas target.
    function fold(bytes32 accumulator, address trainer, bytes32 receipt) internal pure returns (bytes32 folded) {
        // slither-disable-next-line assembly (fuzzed against abi.encode)
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, accumulator)
            mstore(add(free, 0x20), shr(96, shl(96, trainer)))
            mstore(add(free, 0x40), receipt)
            folded := keccak256(free, 0x60)
        }
    }
}
