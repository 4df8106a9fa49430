// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice What a task is created with. The terms document repeats the weights and every number, and a site compares
/// the two before it joins. Only the aggregator can change afterwards.
/// @param terms SHA-256 of the terms document.
/// @param weights SHA-256 of the initial weights.
/// @param aggregator Who opens, closes and fails rounds.
/// @param sponsor Who receives what is left of the pool once the task has ended.
/// @param reward What one round pays at most, in the token's smallest unit.
/// @param quorum How many trainers must be seated to open a round, and accepted to close it.
/// @param window Seconds from opening a round to its deadline.
/// @param closeWindow Seconds from the seal to the last moment in which the aggregator may close.
/// @param settleDelay Seconds from closing a round to the first moment in which it can be settled.
struct TaskParams {
    bytes32 terms;
    bytes32 weights;
    address aggregator;
    address sponsor;
    uint128 reward;
    uint16 quorum;
    uint32 window;
    uint32 closeWindow;
    uint32 settleDelay;
}

/// @notice A member across all tasks, in one slot.
/// @param balance What the member has earned and not withdrawn.
/// @param reputation From 7 to 10,000 once admitted; 0 says that the key was never seen.
/// @param admitted Whether the key is a member now.
struct Member {
    uint128 balance;
    uint16 reputation;
    bool admitted;
}

/// @notice A member's place in one task, in one slot. Never deleted: `last` survives leaving and joining again.
/// @param joined Whether the member has joined and not left.
/// @param since The first round that expects it.
/// @param last The last round in which it submitted.
struct Seat {
    bool joined;
    uint32 since;
    uint32 last;
}

/// @notice A task, in seven slots. The counters that opening a round writes share one with what it reads, `round` to
/// `closeWindow`; the next, `aggregator` to `settleDelay`, no step of a round writes.
/// @param terms SHA-256 of the terms document.
/// @param weights SHA-256 of the weights that the next round starts from.
/// @param accumulator Keccak chain over the open or last round's submissions, in their order.
/// @param round The last round opened.
/// @param deadline The last second for a submission; the moment of the seal once every expected trainer is done.
/// @param open Whether `round` waits to be closed, failed or voided.
/// @param ended Whether the owner or sponsor has ended the task.
/// @param expected Trainers seated when the round opened, less those who left before submitting.
/// @param submitted Submissions to the round.
/// @param joined Seats taken now.
/// @param openedAt Block in which `round` opened.
/// @param aggregator Who opens, closes and fails rounds.
/// @param createdAt Block of the creation, where a log scan starts.
/// @param pool Tokens that no round has reserved.
struct Task {
    bytes32 terms;
    bytes32 weights;
    bytes32 accumulator;
    uint32 round;
    uint40 deadline;
    bool open;
    bool ended;
    uint16 expected;
    uint16 submitted;
    uint16 joined;
    uint48 openedAt;
    uint32 window;
    uint32 closeWindow;
    address aggregator;
    uint48 createdAt;
    uint16 quorum;
    uint32 settleDelay;
    uint128 pool;
    uint128 reward;
    address sponsor;
}

/// @notice What the aggregator closes a round with.
/// @param announcement SHA-256 of the announcement that the round was opened with.
/// @param weights SHA-256 of the new weights.
/// @param manifest SHA-256 of the manifest.
/// @param entries One word a submission, in the order of submission: `trainer << 48 | share << 16 | quality`.
/// @param receipts The digests submitted, in the same order.
struct Result {
    bytes32 announcement;
    bytes32 weights;
    bytes32 manifest;
    uint256[] entries;
    bytes32[] receipts;
}

/// @title IFederation
/// @notice One federation of known institutions that train models together and are paid for what they contribute.
/// @dev Digests of documents and weights are SHA-256. Times are seconds. Whoever the owner is can admit, void and pause,
/// but can neither touch settled money nor act in a member's name.
interface IFederation {
    /* EVENTS */

    /// @notice `member` became a member, for the first time or again; `profile` is its profile document.
    event Admitted(address indexed member, bytes32 profile);

    /// @notice `member` is no longer a member.
    event Removed(address indexed member);

    /// @notice The reputation of `old` passed to the new key `next`.
    event Replaced(address indexed old, address indexed next, bytes32 profile);

    /// @notice `payee` receives what `member` earns.
    event PayeeSet(address indexed member, address payee);

    /// @notice New rounds, joins and tasks were stopped or allowed again.
    event PausedSet(bool paused);

    /// @notice A task was created.
    event TaskCreated(uint256 indexed task, TaskParams params);

    /// @notice `aggregator` runs the task's rounds from now on.
    event AggregatorSet(uint256 indexed task, address aggregator);

    /// @notice No further round, join or funding.
    event TaskEnded(uint256 indexed task);

    /// @notice `from` paid `amount` into the pool.
    event Funded(uint256 indexed task, address from, uint256 amount);

    /// @notice The free pool went to the sponsor.
    event Defunded(uint256 indexed task, address to, uint256 amount);

    /// @notice `member` consented to `terms` under its own `policy`; round `since` is the first to expect it.
    event Joined(uint256 indexed task, address indexed member, bytes32 terms, bytes32 policy, uint256 since);

    /// @notice `member` gave up its seat, or `by` took a removed member's seat away.
    event Left(uint256 indexed task, address indexed member, address by);

    /// @notice A round opened on `weights` for `expected` trainers.
    event RoundOpened(
        uint256 indexed task,
        uint256 indexed round,
        bytes32 weights,
        bytes32 announcement,
        uint256 deadline,
        uint256 expected
    );

    /// @notice `trainer` submitted; `receipt` is the digest of its receipt.
    event UpdateSubmitted(uint256 indexed task, uint256 indexed round, address indexed trainer, bytes32 receipt);

    /// @notice Every expected trainer has submitted or left; the deadline is now.
    event RoundSealed(uint256 indexed task, uint256 indexed round);

    /// @notice Somebody put these bytes on the record as `trainer`'s receipt; whether they are is for the reader to hash.
    event ReceiptRevealed(uint256 indexed task, uint256 indexed round, address indexed trainer, bytes receipt);

    /// @notice The round was closed with `entries` and can be settled from `settleAfter`.
    event RoundClosed(
        uint256 indexed task,
        uint256 indexed round,
        bytes32 weights,
        bytes32 manifest,
        uint256 settleAfter,
        uint256[] entries
    );

    /// @notice The round was paid; `credits[i] = amount << 16 | reputation afterwards`, in the order of the entries.
    event RoundSettled(uint256 indexed task, uint256 indexed round, uint256 paid, uint256[] credits);

    /// @notice The owner voided the round: nobody is paid or rated.
    event RoundVoided(uint256 indexed task, uint256 indexed round, bytes32 reason);

    /// @notice The round ended without new weights.
    event RoundFailed(uint256 indexed task, uint256 indexed round, bytes32 reason, address by);

    /// @notice The owner set the weights that the next round starts from.
    event WeightsReset(uint256 indexed task, bytes32 weights, bytes32 reason);

    /// @notice `amount` of `member`'s earnings went to `payee`.
    event Withdrawn(address indexed member, address indexed payee, uint256 amount);

    /* ERRORS: WHO */

    /// @notice The caller is not the task's aggregator.
    error NotAggregator();

    /// @notice The caller is not the member's payee.
    error NotPayee();

    /// @notice The caller is neither the owner nor the task's sponsor.
    error NotSponsor();

    /// @notice The key is not a member.
    error NotAdmitted();

    /// @notice The key is a member already.
    error AlreadyAdmitted();

    /// @notice The key was a member before, or was replaced by another.
    error AlreadyKnown();

    /// @notice The signature is not the signer's over this digest.
    error BadSignature();

    /// @notice The zero address, this contract, or a token without code.
    error BadAddress();

    /* ERRORS: TASKS */

    /// @notice New rounds, joins and tasks are stopped.
    error IsPaused();

    /// @notice No task has this number.
    error UnknownTask();

    /// @notice The task has ended.
    error TaskHasEnded();

    /// @notice The task has not ended.
    error NotEnded();

    /// @notice A parameter is zero or out of bounds.
    error BadParams();

    /// @notice The digest is not that of the task's terms.
    error WrongTerms();

    /// @notice The member has no seat.
    error NotJoined();

    /// @notice The member has a seat already.
    error AlreadyJoined();

    /// @notice Every seat is taken.
    error TaskFull();

    /// @notice Only a removed member's seat can be taken away.
    error NotRemovable();

    /// @notice Another amount arrived than was announced, or the federation would hold 2^128 or more.
    error WrongAmount();

    /// @notice There is nothing to send.
    error NothingToPay();

    /* ERRORS: ROUNDS */

    /// @notice Not the round that this call must name.
    error WrongRound();

    /// @notice Not the weights that the contract holds.
    error WrongBase();

    /// @notice Fewer seats than the quorum.
    error NotEnoughTrainers();

    /// @notice The pool holds less than one round's reward.
    error NotFunded();

    /// @notice No round is open.
    error NotOpen();

    /// @notice A round is open.
    error StillOpen();

    /// @notice The trainer joined after the round had opened.
    error NotExpected();

    /// @notice The trainer has submitted to this round.
    error AlreadySubmitted();

    /// @notice The deadline or the close window has passed.
    error Late();

    /// @notice The round is not sealed, or the moment for this call has not come.
    error TooEarly();

    /// @notice Not exactly the round's announcement and submissions, in their order.
    error Incomplete();

    /// @notice Fewer accepted entries than the quorum.
    error BelowQuorum();

    /// @notice Entry `index` has an unknown quality, a share without acceptance, or bits beyond the trainer.
    error BadEntry(uint256 index);

    /// @notice A submission may be called unavailable only after half the close window.
    error UnavailableTooEarly();

    /// @notice The round is not closed and waiting to be settled.
    error NotPending();

    /// @notice Not the time and entries that the round was closed with.
    error WrongEntries();

    /* MEMBERS */

    /// @notice Admits a key: the first time with a reputation of 5,000, later with reputation, payee and balance as left.
    /// @dev Owner only. A key that was replaced is never admitted again.
    /// @param profile Digest of the member's profile document.
    function admit(address member, bytes32 profile) external;

    /// @notice Ends a membership. Balance, payee, submissions and pending rewards stay; seats wait for `unseat`.
    /// @dev Owner only.
    function remove(address member) external;

    /// @notice Moves the membership and reputation of `old` to a key never seen before, which inherits the payee.
    /// @dev Owner only, with the payee's EIP-712 signature over `Replacement(address old,address next,bytes32 profile)`
    /// (ECDSA or ERC-1271). The balance of `old`, and what its pending rounds will add, stays with `old` and its payee.
    /// A payee that was never named stays the address of `old`: whoever replaces a compromised key names another payee
    /// first. The new key joins tasks itself.
    function replace(address old, address next, bytes32 profile, bytes calldata payeeSignature) external;

    /// @notice Names who receives what `member` earns from now on, the present balance included.
    /// @dev Current payee only: the member itself until it names another.
    function setPayee(address member, address next) external;

    /// @notice Sends a member's whole balance to its payee. Anyone may call.
    function withdraw(address member) external returns (uint256 amount);

    /* TASKS */

    /// @notice Stops new rounds, joins and tasks, and nothing else, or allows them again.
    /// @dev Owner only.
    function setPaused(bool newPaused) external;

    /// @notice Creates a task; tasks are numbered from 1.
    /// @dev Owner only. The quorum is from 1 to 512, the window at least 1 second, the close window at least 2.
    function createTask(TaskParams calldata params) external returns (uint256 task);

    /// @notice Names another aggregator. An open round and its deadline stay, and become the new one's to close.
    /// @dev Owner only. The zero address suspends the task.
    function setAggregator(uint256 task, address aggregator) external;

    /// @notice Ends a task: no further round, join or funding. Open and pending rounds run out and are paid.
    /// @dev Owner or sponsor.
    function endTask(uint256 task) external;

    /// @notice Pays into the task's pool; reverts unless exactly `amount` arrived.
    /// @dev Anyone. The federation never holds 2^128 or more of the token's smallest unit.
    function fund(uint256 task, uint256 amount) external;

    /// @notice Sends an ended task's free pool to its sponsor. May be called again when a later round returns its reward.
    /// @dev Anyone.
    function defund(uint256 task) external;

    /// @notice Sets the weights that the next round starts from, while no round is open.
    /// @dev Owner only. Only the initial weights or those of an earlier manifest are legitimate; verifiers check that.
    function resetWeights(uint256 task, bytes32 weights, bytes32 reason) external;

    /* SEATS */

    /// @notice Takes a seat: consent to exactly the task's terms. The next round to open is the first that expects it.
    /// @dev Member only.
    /// @param policy Salted digest of the member's own policy.
    function joinTask(uint256 task, bytes32 terms, bytes32 policy) external;

    /// @notice Gives the seat up, always possible. A round that still expected the member expects one fewer.
    function leaveTask(uint256 task) external;

    /// @notice Takes a removed member's seat away, as if it had left. Anyone may call.
    function unseat(uint256 task, address member) external;

    /* ROUNDS */

    /// @notice Opens `round`, the last one plus 1, on `base`, the task's weights, and reserves the reward.
    /// @dev Aggregator only. The accumulator starts from `keccak256(abi.encode(chainid, this, task, round,
    /// announcement))`.
    /// @return deadline The last second in which an update can be submitted.
    function openRound(uint256 task, uint256 round, bytes32 base, bytes32 announcement)
        external
        returns (uint256 deadline);

    /// @notice Submits the digest of the caller's receipt. The submission that completes the round seals it.
    /// @dev An expected trainer, once a round. Folds `keccak256(abi.encode(accumulator, trainer, receipt))`.
    function submitUpdate(uint256 task, uint256 round, bytes32 receipt) external;

    /// @notice Relays a trainer's submission. Anyone may call.
    /// @dev With its EIP-712 signature over `Submission(address trainer,uint256 task,uint256 round,bytes32 receipt)`:
    /// ECDSA first, which saves a cold account read and still accepts a key whose account carries an EIP-7702
    /// delegation, then ERC-1271. The trainer is named because one key may sign for several ERC-1271 accounts.
    function submitUpdateFor(address trainer, uint256 task, uint256 round, bytes32 receipt, bytes calldata signature)
        external;

    /// @notice Gives a receipt a time that nobody can dispute, once the round is sealed. An event only. Anyone may call.
    function reveal(uint256 task, uint256 round, address trainer, bytes calldata receipt) external;

    /// @notice Closes a sealed round with exactly its submissions and puts the new weights in force.
    /// @dev Aggregator only, until `closeWindow` seconds after the deadline. Qualities: 10,000 accepted, 0 refused,
    /// 0xFFFE unavailable (only after half the close window), 0xFFFF unrated; only accepted entries may have a share.
    function closeRound(uint256 task, uint256 round, Result calldata result) external;

    /// @notice Pays `reward * share / sum of shares` to each trainer of a closed round and moves reputations to
    /// `r - r / 8 + quality / 8`, 0xFFFE counting as 0 and 0xFFFF leaving it. What is not paid returns to the pool.
    /// @dev Anyone, from `settleAfter` on.
    function settleRound(uint256 task, uint256 round, uint256 settleAfter, uint256[] calldata entries) external;

    /// @notice Voids an open or pending round: nobody is paid or rated, the reward returns to the pool. The weights of a
    /// closed round stay in force.
    /// @dev Owner only.
    function voidRound(uint256 task, uint256 round, bytes32 reason) external;

    /// @notice Ends a sealed round without a result: the reward returns to the pool and the weights stay.
    /// @dev Aggregator once the round is sealed; anyone after the close window.
    function failRound(uint256 task, uint256 round, bytes32 reason) external;

    /* VIEWS */

    /// @notice The ERC-20 that pays, fixed at construction.
    function token() external view returns (address);

    /// @notice Whether new rounds, joins and tasks are stopped.
    function paused() external view returns (bool);

    /// @notice How many tasks there are; also the number of the last one.
    function taskCount() external view returns (uint256);

    /// @notice A task; all zero for a number never given out.
    function taskOf(uint256 task) external view returns (Task memory);

    /// @notice A member; all zero for a key never seen.
    function memberOf(address member) external view returns (Member memory);

    /// @notice A member's seat in a task.
    function seatOf(uint256 task, address member) external view returns (Seat memory);

    /// @notice Who receives what `member` earns.
    function payeeOf(address member) external view returns (address);

    /// @notice The key that replaced `member`, or zero.
    function successorOf(address member) external view returns (address);

    /// @notice How a round ended: 0 not yet, 1 settled, 2 void, 3 failed, else
    /// `keccak256(abi.encode(settleAfter, entries))` of a closed round that waits to be settled.
    function outcomeOf(uint256 task, uint256 round) external view returns (bytes32);

    /// @notice The EIP-712 digest that a trainer signs for `submitUpdateFor`.
    function submissionDigest(address trainer, uint256 task, uint256 round, bytes32 receipt)
        external
        view
        returns (bytes32);

    /// @notice The EIP-712 digest that a payee signs for `replace`.
    function replacementDigest(address old, address next, bytes32 profile) external view returns (bytes32);
}
