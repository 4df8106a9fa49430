// Builds the Ethereum node that the tests talk to: `make tools`.
module fedledger/tools/geth

go 1.24

require github.com/ethereum/go-ethereum v1.17.0
