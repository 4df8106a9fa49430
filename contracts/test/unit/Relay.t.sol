// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IFederation} from "../../src/interfaces/IFederation.sol";
import {BaseTest} from "../BaseTest.sol";
import {ContractWallet} from "../mocks/ContractWallet.sol";

contract RelayTest is BaseTest {
    address internal immutable ALICE = _trainer(0);
    bytes32 internal immutable RECEIPT = _receipt(1, _trainer(0));

    function setUp() public override {
        super.setUp();
        _seat(2);
        _open(1);
    }

    function test_another_members_signature_is_refused() public {
        _expectBadSignature(ALICE, RECEIPT, _signature(1, 1, RECEIPT));
    }

    function test_a_signature_over_another_receipt_is_refused() public {
        _expectBadSignature(ALICE, keccak256("other receipt"), _signature(0, 1, RECEIPT));
    }

    function test_a_signature_for_another_round_is_refused() public {
        bytes memory signature = _signature(0, 1, RECEIPT);
        _void(1);
        _open(2);
        vm.expectRevert(IFederation.BadSignature.selector);
        federation.submitUpdateFor(ALICE, task, 2, RECEIPT, signature);
    }

    function test_a_signature_for_another_task_is_refused() public {
        bytes memory signature = _signature(0, 1, RECEIPT);
        task = _createTask(_params());
        _fund(task, REWARD);
        _join(ALICE);
        _join(_trainer(1));
        _open(1);
        _expectBadSignature(ALICE, RECEIPT, signature);
    }

    function test_a_signature_for_another_federation_is_refused() public {
        IFederation other = _deploy(address(token));
        _expectBadSignature(ALICE, RECEIPT, _sign(_key(0), other.submissionDigest(ALICE, task, 1, RECEIPT)));
    }

    function test_a_signature_for_another_chain_is_refused() public {
        bytes memory signature = _signature(0, 1, RECEIPT);
        vm.chainId(block.chainid + 1);
        _expectBadSignature(ALICE, RECEIPT, signature);
    }

    function test_a_truncated_signature_is_refused() public {
        _expectBadSignature(ALICE, RECEIPT, "");
        _expectBadSignature(ALICE, RECEIPT, new bytes(64));
    }

    function test_the_mirrored_signature_is_refused() public {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(_key(0), federation.submissionDigest(ALICE, task, 1, RECEIPT));
        uint256 order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
        bytes memory mirrored = abi.encodePacked(r, bytes32(order - uint256(s)), v == 27 ? 28 : 27);
        _expectBadSignature(ALICE, RECEIPT, mirrored);
    }

    function test_the_zero_address_has_no_signature() public {
        _expectBadSignature(address(0), RECEIPT, new bytes(65));
    }

    function test_a_signature_works_once() public {
        bytes memory signature = _signature(0, 1, RECEIPT);
        federation.submitUpdateFor(ALICE, task, 1, RECEIPT, signature);
        vm.expectRevert(IFederation.AlreadySubmitted.selector);
        federation.submitUpdateFor(ALICE, task, 1, RECEIPT, signature);
    }

    function test_a_relayed_submission_obeys_the_same_rules() public {
        bytes memory signature = _signature(0, 1, RECEIPT);
        _remove(ALICE);
        vm.expectRevert(IFederation.NotAdmitted.selector);
        federation.submitUpdateFor(ALICE, task, 1, RECEIPT, signature);
    }

    function test_the_digest_is_that_of_eip_712() public view {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("fedledger"),
                keccak256("1"),
                block.chainid,
                address(federation)
            )
        );
        bytes32 typeHash = keccak256("Submission(address trainer,uint256 task,uint256 round,bytes32 receipt)");
        bytes32 digest = keccak256(abi.encode(typeHash, ALICE, task, 1, RECEIPT));
        bytes32 expected = keccak256(abi.encodePacked(hex"1901", domain, digest));
        vm.assertEq(federation.submissionDigest(ALICE, task, 1, RECEIPT), expected, "digest");
    }

    function test_anyone_relays_a_trainers_signature() public {
        bytes memory signature = _signature(0, 1, RECEIPT);
        vm.expectEmit(address(federation));
        emit IFederation.UpdateSubmitted(task, 1, ALICE, RECEIPT);
        vm.prank(OUTSIDER);
        federation.submitUpdateFor(ALICE, task, 1, RECEIPT, signature);
        vm.assertEq(_task().submitted, 1, "submitted");
    }

    function test_a_key_with_delegated_code_still_signs() public {
        bytes memory signature = _signature(0, 1, RECEIPT);
        vm.etch(ALICE, abi.encodePacked(hex"ef0100", address(token)));
        federation.submitUpdateFor(ALICE, task, 1, RECEIPT, signature);
        vm.assertEq(_task().submitted, 1, "submitted");
    }

    function test_a_contract_signs_as_trainer() public {
        address wallet = _seatWallet();
        _void(1);
        _open(2);
        bytes32 digest = federation.submissionDigest(wallet, task, 2, RECEIPT);
        bytes memory wrong = _sign(_key(0), digest);
        vm.expectRevert(IFederation.BadSignature.selector);
        federation.submitUpdateFor(wallet, task, 2, RECEIPT, wrong);

        federation.submitUpdateFor(wallet, task, 2, RECEIPT, _sign(4, digest));
        vm.assertEq(federation.seatOf(task, wallet).last, 2, "last");
    }

    function test_a_signature_for_one_of_an_owners_wallets_is_refused_for_the_other() public {
        address wallet = _seatWallet();
        address other = _seatWallet();
        _void(1);
        _open(2);
        bytes memory signature = _sign(4, federation.submissionDigest(wallet, task, 2, RECEIPT));
        vm.expectRevert(IFederation.BadSignature.selector);
        federation.submitUpdateFor(other, task, 2, RECEIPT, signature);

        federation.submitUpdateFor(wallet, task, 2, RECEIPT, signature);
        vm.assertEq(_task().submitted, 1, "submitted");
    }

    /* HELPERS */

    /// @dev A member that `OUTSIDER` signs for; the next round expects it.
    function _seatWallet() private returns (address wallet) {
        wallet = address(new ContractWallet(OUTSIDER));
        _admit(wallet);
        _join(wallet);
    }

    function _signature(uint256 trainer, uint256 round, bytes32 receipt) private view returns (bytes memory) {
        return _sign(_key(trainer), federation.submissionDigest(_trainer(trainer), task, round, receipt));
    }

    function _expectBadSignature(address trainer, bytes32 receipt, bytes memory signature) private {
        vm.expectRevert(IFederation.BadSignature.selector);
        federation.submitUpdateFor(trainer, task, 1, receipt, signature);
    }
}
