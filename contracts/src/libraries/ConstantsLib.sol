// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @dev Trainers a task can seat: closing and settling that many fits one transaction (EIP-7825).
uint256 constant MAX_TRAINERS = 512;

/// @dev The reputation of a first admission.
uint16 constant INITIAL_REPUTATION = 5_000;

/* QUALITIES */

/// @dev Accepted.
uint256 constant FULL_QUALITY = 10_000;

/// @dev Refused for cause.
uint256 constant REFUSED = 0;

/// @dev Not served in time; rated like a refusal.
uint256 constant UNAVAILABLE = 0xFFFE;

/// @dev Neither accepted nor to blame; the reputation stays.
uint256 constant UNRATED = 0xFFFF;

/* OUTCOMES */

bytes32 constant SETTLED = bytes32(uint256(1));
bytes32 constant VOID = bytes32(uint256(2));
bytes32 constant FAILED = bytes32(uint256(3));

/* EIP-712 TYPES */

bytes32 constant SUBMISSION_TYPEHASH =
    keccak256("Submission(address trainer,uint256 task,uint256 round,bytes32 receipt)");
bytes32 constant REPLACEMENT_TYPEHASH = keccak256("Replacement(address old,address next,bytes32 profile)");
