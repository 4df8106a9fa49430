// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {AccumulatorLib} from "../../src/libraries/AccumulatorLib.sol";
import {EntryLib} from "../../src/libraries/EntryLib.sol";
import {ReputationLib} from "../../src/libraries/ReputationLib.sol";
import {BaseTest} from "../BaseTest.sol";

contract LibrariesTest is BaseTest {
    using EntryLib for uint256;
    using ReputationLib for uint256;

    uint256 internal constant LOWEST = 7;
    uint256 internal constant HIGHEST = 10_000;

    /* ENTRIES */

    function testFuzz_an_entry_gives_back_its_three_parts(address trainer, uint32 share, uint16 quality) public pure {
        uint256 entry = _entry(trainer, share, quality);
        vm.assertEq(entry.trainer(), trainer, "trainer");
        vm.assertEq(entry.share(), share, "share");
        vm.assertEq(entry.quality(), quality, "quality");
    }

    function testFuzz_an_accepted_entry_may_have_any_share(address trainer, uint32 share) public pure {
        vm.assertTrue(_entry(trainer, share, ACCEPTED).isValid(), "valid");
    }

    function testFuzz_only_four_qualities_are_valid(address trainer, uint16 quality) public pure {
        bool known = quality == ACCEPTED || quality == REFUSED || quality == UNAVAILABLE || quality == UNRATED;
        vm.assertTrue(_entry(trainer, 0, quality).isValid() == known, "valid");
    }

    function testFuzz_a_share_needs_acceptance(address trainer, uint32 share, uint16 quality) public pure {
        vm.assume(share != 0 && quality != ACCEPTED);
        vm.assertTrue(!_entry(trainer, share, quality).isValid(), "valid");
    }

    function testFuzz_bits_beyond_the_trainer_are_invalid(uint256 entry) public pure {
        vm.assume(entry >> 208 != 0);
        vm.assertTrue(!entry.isValid(), "valid");
    }

    function testFuzz_a_part_is_the_rounded_down_proportion(uint128 reward, uint32 share, uint32 others) public pure {
        uint256 shares = uint256(share) + others;
        vm.assume(shares != 0);
        uint256 part = _entry(address(1), share, ACCEPTED).partOf(reward, shares);
        vm.assertLe(part * shares, uint256(reward) * share, "not above");
        vm.assertGe((part + 1) * shares, uint256(reward) * share + 1, "not a unit below");
    }

    function testFuzz_without_shares_there_is_no_part(uint128 reward, uint256 entry) public pure {
        vm.assertEq(entry.partOf(reward, 0), 0, "part");
    }

    /* REPUTATION */

    function testFuzz_a_reputation_stays_in_its_bounds(uint256 reputation, uint16 quality) public pure {
        reputation = _bound(reputation, LOWEST, HIGHEST);
        uint256 next = reputation.rated(quality);
        vm.assertGe(next, LOWEST, "lowest");
        vm.assertLe(next, HIGHEST, "highest");
    }

    function testFuzz_an_unrated_round_leaves_the_reputation(uint256 reputation) public pure {
        vm.assertEq(reputation.rated(UNRATED), reputation, "reputation");
    }

    function testFuzz_unavailable_is_rated_like_refused(uint16 reputation) public pure {
        vm.assertEq(uint256(reputation).rated(UNAVAILABLE), uint256(reputation).rated(REFUSED), "reputation");
    }

    function test_the_bounds_are_reached_and_kept() public pure {
        uint256 best = 5_000;
        uint256 worst = 5_000;
        for (uint256 i; i < 100; ++i) {
            best = best.rated(ACCEPTED);
            worst = worst.rated(REFUSED);
        }
        vm.assertEq(best, HIGHEST, "highest");
        vm.assertEq(worst, LOWEST, "lowest");
    }

    /* ACCUMULATOR */

    function testFuzz_folding_is_hashing_the_three_words(bytes32 accumulator, uint256 trainer, bytes32 receipt)
        public
        pure
    {
        address clean = address(uint160(trainer));
        address dirty;
        assembly {
            dirty := trainer
        }
        bytes32 expected = keccak256(abi.encode(accumulator, clean, receipt));
        vm.assertEq(AccumulatorLib.fold(accumulator, dirty, receipt), expected, "folded");
    }
}
