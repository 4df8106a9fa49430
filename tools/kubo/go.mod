// Builds the IPFS node that the tests talk to: `make tools`.
module fedledger/tools/kubo

go 1.24

require github.com/ipfs/kubo v0.42.0
