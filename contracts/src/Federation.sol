// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IFederation, Member, Result, Seat, Task, TaskParams} from "./interfaces/IFederation.sol";
import {Ownable, Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {IERC20, SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import "./libraries/ConstantsLib.sol";
import {AccumulatorLib} from "./libraries/AccumulatorLib.sol";
import {EntryLib} from "./libraries/EntryLib.sol";
import {ReputationLib} from "./libraries/ReputationLib.sol";

/// @title Federation
/// @notice One deployment is one federation of known institutions with one payment token.
contract Federation is IFederation, Ownable2Step, EIP712, ReentrancyGuardTransient {
    using AccumulatorLib for bytes32;
    using EntryLib for uint256;
    using ReputationLib for uint256;
    using SafeERC20 for IERC20;

    /* IMMUTABLES */

    /// @inheritdoc IFederation
    address public immutable token;

    /* STORAGE */

    /// @inheritdoc IFederation
    bool public paused;
    /// @inheritdoc IFederation
    uint256 public taskCount;
    /// @inheritdoc IFederation
    mapping(address member => address next) public successorOf;
    mapping(address member => Member) internal members;
    mapping(address member => address payee) internal payees;
    // slither-disable-next-line uninitialized-state (written through storage references only)
    mapping(uint256 task => Task) internal tasks;
    // slither-disable-next-line uninitialized-state (likewise)
    mapping(uint256 task => mapping(address member => Seat)) internal seats;
    mapping(uint256 task => mapping(uint256 round => bytes32)) internal outcomes;

    /* CONSTRUCTOR */

    /// @param paymentToken The ERC-20 that pays, for ever.
    constructor(address paymentToken) Ownable(msg.sender) EIP712("fedledger", "1") {
        require(paymentToken.code.length != 0, BadAddress());

        token = paymentToken;
    }

    /* MODIFIERS */

    modifier whenNotPaused() {
        require(!paused, IsPaused());
        _;
    }

    modifier onlyAggregator(uint256 task) {
        require(msg.sender == tasks[task].aggregator, NotAggregator());
        _;
    }

    /* MEMBERS */

    /// @inheritdoc IFederation
    function admit(address member, bytes32 profile) external onlyOwner {
        require(_isUsable(member), BadAddress());
        Member storage m = members[member];
        require(!m.admitted, AlreadyAdmitted());
        require(successorOf[member] == address(0), AlreadyKnown());

        m.admitted = true;
        if (m.reputation == 0) m.reputation = INITIAL_REPUTATION;

        emit Admitted(member, profile);
    }

    /// @inheritdoc IFederation
    function remove(address member) external onlyOwner {
        require(members[member].admitted, NotAdmitted());

        members[member].admitted = false;

        emit Removed(member);
    }

    /// @inheritdoc IFederation
    function replace(address old, address next, bytes32 profile, bytes calldata payeeSignature) external onlyOwner {
        require(members[old].admitted, NotAdmitted());
        require(_isUsable(next), BadAddress());
        require(members[next].reputation == 0, AlreadyKnown());
        address payee = payeeOf(old);
        _checkSignature(payee, replacementDigest(old, next, profile), payeeSignature);

        members[old].admitted = false;
        successorOf[old] = next;
        members[next].admitted = true;
        members[next].reputation = members[old].reputation;
        payees[next] = payee;

        emit Replaced(old, next, profile);
        emit PayeeSet(next, payee);
    }

    /// @inheritdoc IFederation
    function setPayee(address member, address next) external {
        require(msg.sender == payeeOf(member), NotPayee());
        require(_isUsable(next), BadAddress());

        payees[member] = next;

        emit PayeeSet(member, next);
    }

    /// @inheritdoc IFederation
    function withdraw(address member) external nonReentrant returns (uint256 amount) {
        amount = members[member].balance;
        require(amount != 0, NothingToPay());

        members[member].balance = 0;
        address payee = payeeOf(member);

        emit Withdrawn(member, payee, amount);

        IERC20(token).safeTransfer(payee, amount);
    }

    /* TASKS */

    /// @inheritdoc IFederation
    function setPaused(bool newPaused) external onlyOwner {
        paused = newPaused;

        emit PausedSet(newPaused);
    }

    /// @inheritdoc IFederation
    function createTask(TaskParams calldata params) external onlyOwner whenNotPaused returns (uint256 task) {
        require(params.terms != 0 && params.weights != 0, BadParams());
        require(params.quorum != 0 && params.quorum <= MAX_TRAINERS, BadParams());
        require(params.window != 0 && params.closeWindow > 1, BadParams());
        require(_isUsable(params.sponsor), BadParams());

        task = ++taskCount;
        Task storage t = tasks[task];
        t.terms = params.terms;
        t.weights = params.weights;
        t.quorum = params.quorum;
        t.window = params.window;
        t.closeWindow = params.closeWindow;
        t.settleDelay = params.settleDelay;
        t.aggregator = params.aggregator;
        t.createdAt = uint48(block.number);
        t.reward = params.reward;
        t.sponsor = params.sponsor;

        emit TaskCreated(task, params);
    }

    /// @inheritdoc IFederation
    function setAggregator(uint256 task, address aggregator) external onlyOwner {
        _requireTask(task).aggregator = aggregator;

        emit AggregatorSet(task, aggregator);
    }

    /// @inheritdoc IFederation
    function endTask(uint256 task) external {
        Task storage t = _requireTask(task);
        require(msg.sender == owner() || msg.sender == t.sponsor, NotSponsor());
        require(!t.ended, TaskHasEnded());

        t.ended = true;

        emit TaskEnded(task);
    }

    /// @inheritdoc IFederation
    function fund(uint256 task, uint256 amount) external nonReentrant {
        Task storage t = _requireTask(task);
        require(!t.ended, TaskHasEnded());
        uint256 balanceBefore = IERC20(token).balanceOf(address(this));

        // The transfer comes first: what arrived is what counts.
        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
        uint256 balance = IERC20(token).balanceOf(address(this));
        require(balance <= type(uint128).max && balance == balanceBefore + amount, WrongAmount());
        t.pool += uint128(amount);

        emit Funded(task, msg.sender, amount);
    }

    /// @inheritdoc IFederation
    function defund(uint256 task) external nonReentrant {
        Task storage t = _requireTask(task);
        require(t.ended, NotEnded());
        uint256 amount = t.pool;
        require(amount != 0, NothingToPay());

        t.pool = 0;

        emit Defunded(task, t.sponsor, amount);

        IERC20(token).safeTransfer(t.sponsor, amount);
    }

    /// @inheritdoc IFederation
    function resetWeights(uint256 task, bytes32 weights, bytes32 reason) external onlyOwner {
        Task storage t = _requireTask(task);
        require(!t.open, StillOpen());
        require(weights != 0, BadParams());

        t.weights = weights;

        emit WeightsReset(task, weights, reason);
    }

    /* SEATS */

    /// @inheritdoc IFederation
    function joinTask(uint256 task, bytes32 terms, bytes32 policy) external whenNotPaused {
        Task storage t = _requireTask(task);
        require(!t.ended, TaskHasEnded());
        require(terms == t.terms, WrongTerms());
        require(members[msg.sender].admitted, NotAdmitted());
        Seat storage seat = seats[task][msg.sender];
        require(!seat.joined, AlreadyJoined());
        require(t.joined < MAX_TRAINERS, TaskFull());

        t.joined++;
        seat.joined = true;
        seat.since = t.round + 1;

        emit Joined(task, msg.sender, terms, policy, seat.since);
    }

    /// @inheritdoc IFederation
    function leaveTask(uint256 task) external {
        _leave(task, msg.sender);
    }

    /// @inheritdoc IFederation
    function unseat(uint256 task, address member) external {
        require(!members[member].admitted, NotRemovable());

        _leave(task, member);
    }

    function _leave(uint256 task, address member) private {
        Task storage t = tasks[task];
        Seat storage seat = seats[task][member];
        require(seat.joined, NotJoined());

        seat.joined = false;
        t.joined--;

        emit Left(task, member, msg.sender);

        bool awaited = seat.since <= t.round && seat.last != t.round;
        if (t.open && awaited && block.timestamp <= t.deadline) {
            t.expected--;
            if (t.submitted == t.expected) _seal(task, t);
        }
    }

    /* ROUNDS */

    /// @inheritdoc IFederation
    function openRound(uint256 task, uint256 round, bytes32 base, bytes32 announcement)
        external
        onlyAggregator(task)
        whenNotPaused
        returns (uint256 deadline)
    {
        Task storage t = tasks[task];
        require(!t.ended, TaskHasEnded());
        require(!t.open, StillOpen());
        require(round == t.round + 1, WrongRound());
        require(base == t.weights, WrongBase());
        require(t.joined >= t.quorum, NotEnoughTrainers());
        require(t.pool >= t.reward, NotFunded());

        deadline = block.timestamp + t.window;
        t.pool -= t.reward;
        t.round = uint32(round);
        t.deadline = uint40(deadline);
        t.open = true;
        t.expected = t.joined;
        t.submitted = 0;
        t.openedAt = uint48(block.number);
        t.accumulator = AccumulatorLib.seed(task, round, announcement);

        emit RoundOpened(task, round, base, announcement, deadline, t.expected);
    }

    /// @inheritdoc IFederation
    function submitUpdate(uint256 task, uint256 round, bytes32 receipt) external {
        _submit(msg.sender, task, round, receipt);
    }

    /// @inheritdoc IFederation
    function submitUpdateFor(address trainer, uint256 task, uint256 round, bytes32 receipt, bytes calldata signature)
        external
    {
        _checkSignature(trainer, submissionDigest(trainer, task, round, receipt), signature);

        _submit(trainer, task, round, receipt);
    }

    function _submit(address trainer, uint256 task, uint256 round, bytes32 receipt) private {
        Task storage t = _requireOpen(task, round);
        require(block.timestamp <= t.deadline, Late());
        require(members[trainer].admitted, NotAdmitted());
        Seat storage seat = seats[task][trainer];
        require(seat.joined, NotJoined());
        require(seat.since <= round, NotExpected());
        require(seat.last != round, AlreadySubmitted());

        seat.last = uint32(round);
        t.submitted++;
        t.accumulator = t.accumulator.fold(trainer, receipt);

        emit UpdateSubmitted(task, round, trainer, receipt);

        if (t.submitted == t.expected) _seal(task, t);
    }

    /// @inheritdoc IFederation
    function reveal(uint256 task, uint256 round, address trainer, bytes calldata receipt) external {
        Task storage t = tasks[task];
        require(round != 0 && round <= t.round, WrongRound());
        require(round < t.round || !t.open || _isSealed(t), TooEarly());

        emit ReceiptRevealed(task, round, trainer, receipt);
    }

    /// @inheritdoc IFederation
    function closeRound(uint256 task, uint256 round, Result calldata result) external onlyAggregator(task) {
        Task storage t = _requireSealed(task, round);
        require(block.timestamp <= uint256(t.deadline) + t.closeWindow, Late());
        _checkResult(t, AccumulatorLib.seed(task, round, result.announcement), result);

        uint256 settleAfter = block.timestamp + t.settleDelay;
        t.open = false;
        t.weights = result.weights;
        outcomes[task][round] = _pendingHash(settleAfter, result.entries);

        emit RoundClosed(task, round, result.weights, result.manifest, settleAfter, result.entries);
    }

    /// @inheritdoc IFederation
    function settleRound(uint256 task, uint256 round, uint256 settleAfter, uint256[] calldata entries) external {
        mapping(uint256 => bytes32) storage taskOutcomes = outcomes[task];
        bytes32 outcome = taskOutcomes[round];
        require(_isPending(outcome), NotPending());
        require(outcome == _pendingHash(settleAfter, entries), WrongEntries());
        require(block.timestamp >= settleAfter, TooEarly());

        Task storage t = tasks[task];
        (uint256 pool, uint256 reward) = (t.pool, t.reward);
        taskOutcomes[round] = SETTLED;
        (uint256 paid, uint256[] memory credits) = _credit(reward, entries);
        unchecked {
            if (paid != reward) t.pool = uint128(pool + reward - paid); // `fund` keeps all money below 2^128
        }

        emit RoundSettled(task, round, paid, credits);
    }

    /// @inheritdoc IFederation
    function voidRound(uint256 task, uint256 round, bytes32 reason) external onlyOwner {
        Task storage t = _requireTask(task);
        bool open = t.open && t.round == round;
        require(open || _isPending(outcomes[task][round]), NotPending());

        if (open) t.open = false;
        t.pool += t.reward;
        outcomes[task][round] = VOID;

        emit RoundVoided(task, round, reason);
    }

    /// @inheritdoc IFederation
    function failRound(uint256 task, uint256 round, bytes32 reason) external {
        Task storage t = _requireSealed(task, round);
        bool abandoned = block.timestamp > uint256(t.deadline) + t.closeWindow;
        require(msg.sender == t.aggregator || abandoned, TooEarly());

        t.open = false;
        t.pool += t.reward;
        outcomes[task][round] = FAILED;

        emit RoundFailed(task, round, reason, msg.sender);
    }

    /* VIEWS */

    /// @inheritdoc IFederation
    function taskOf(uint256 task) external view returns (Task memory) {
        return tasks[task];
    }

    /// @inheritdoc IFederation
    function memberOf(address member) external view returns (Member memory) {
        return members[member];
    }

    /// @inheritdoc IFederation
    function seatOf(uint256 task, address member) external view returns (Seat memory) {
        return seats[task][member];
    }

    /// @inheritdoc IFederation
    function payeeOf(address member) public view returns (address payee) {
        payee = payees[member];
        if (payee == address(0)) payee = member;
    }

    /// @inheritdoc IFederation
    function outcomeOf(uint256 task, uint256 round) external view returns (bytes32) {
        return outcomes[task][round];
    }

    /// @inheritdoc IFederation
    function submissionDigest(address trainer, uint256 task, uint256 round, bytes32 receipt)
        public
        view
        returns (bytes32)
    {
        return _hashTypedDataV4(keccak256(abi.encode(SUBMISSION_TYPEHASH, trainer, task, round, receipt)));
    }

    /// @inheritdoc IFederation
    function replacementDigest(address old, address next, bytes32 profile) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(REPLACEMENT_TYPEHASH, old, next, profile)));
    }

    /* INTERNAL: STATE */

    /// @dev From here on no submission counts: one fact for closing, failing and timing out.
    function _seal(uint256 task, Task storage t) private {
        t.deadline = uint40(block.timestamp);

        emit RoundSealed(task, t.round);
    }

    /// @dev Pays and rates every entry's trainer, whether it is still a member or not.
    function _credit(uint256 reward, uint256[] calldata entries)
        private
        returns (uint256 paid, uint256[] memory credits)
    {
        uint256 shares = _sumOfShares(entries);
        credits = new uint256[](entries.length);
        for (uint256 i; i < entries.length; ++i) {
            uint256 entry = entries[i];
            Member storage m = members[entry.trainer()];
            uint256 amount = entry.partOf(reward, shares);
            uint256 reputation = uint256(m.reputation).rated(entry.quality());
            m.reputation = uint16(reputation);
            unchecked {
                m.balance += uint128(amount); // `fund` keeps all money below 2^128
                paid += amount; // never above the reward
            }
            credits[i] = amount << 16 | reputation;
        }
    }

    /* INTERNAL: CHECKS */

    function _requireTask(uint256 task) private view returns (Task storage t) {
        t = tasks[task];
        require(t.terms != 0, UnknownTask());
    }

    function _requireOpen(uint256 task, uint256 round) private view returns (Task storage t) {
        t = tasks[task];
        require(t.open, NotOpen());
        require(t.round == round, WrongRound());
    }

    function _requireSealed(uint256 task, uint256 round) private view returns (Task storage t) {
        t = _requireOpen(task, round);
        require(_isSealed(t), TooEarly());
    }

    function _isSealed(Task storage t) private view returns (bool) {
        return block.timestamp > t.deadline || t.submitted == t.expected;
    }

    /// @dev A pending round's outcome is a hash; the others are small numbers.
    function _isPending(bytes32 outcome) private pure returns (bool) {
        return outcome > FAILED;
    }

    function _isUsable(address account) private view returns (bool) {
        return account != address(0) && account != address(this);
    }

    function _checkResult(Task storage t, bytes32 seed, Result calldata result) private view {
        require(result.entries.length == result.receipts.length, Incomplete());
        require(result.entries.length == t.submitted, Incomplete());
        (bytes32 accumulator, uint256 accepted, bool unavailable) = _tally(seed, result.entries, result.receipts);
        require(accumulator == t.accumulator, Incomplete());
        require(accepted >= t.quorum, BelowQuorum());
        require(result.weights != 0, BadParams());
        bool late = block.timestamp > uint256(t.deadline) + t.closeWindow / 2;
        require(late || !unavailable, UnavailableTooEarly());
    }

    function _checkSignature(address signer, bytes32 digest, bytes calldata signature) private view {
        // slither-disable-next-line unused-return (the third value explains an error that falls through to ERC-1271)
        (address recovered, ECDSA.RecoverError err,) = ECDSA.tryRecoverCalldata(digest, signature);
        if (err == ECDSA.RecoverError.NoError && recovered == signer) return;
        require(SignatureChecker.isValidERC1271SignatureNow(signer, digest, signature), BadSignature());
    }

    /* INTERNAL: PURE */

    function _pendingHash(uint256 settleAfter, uint256[] calldata entries) private pure returns (bytes32) {
        return keccak256(abi.encode(settleAfter, entries));
    }

    function _sumOfShares(uint256[] calldata entries) private pure returns (uint256 sum) {
        for (uint256 i; i < entries.length; ++i) {
            unchecked {
                sum += entries[i].share(); // at most 512 shares below 2^32
            }
        }
    }

    /// @dev Checks each entry by itself, and sums up what only the whole list can tell.
    function _tally(bytes32 seed, uint256[] calldata entries, bytes32[] calldata receipts)
        private
        pure
        returns (bytes32 accumulator, uint256 accepted, bool unavailable)
    {
        accumulator = seed;
        for (uint256 i; i < entries.length; ++i) {
            uint256 entry = entries[i];
            require(entry.isValid(), BadEntry(i));
            uint256 quality = entry.quality();
            if (quality == FULL_QUALITY) ++accepted;
            else if (quality == UNAVAILABLE) unavailable = true;
            accumulator = accumulator.fold(entry.trainer(), receipts[i]);
        }
    }
}
