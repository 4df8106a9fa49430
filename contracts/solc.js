#!/usr/bin/env node
// npm's compiler in the shape that forge and py-solc-x expect: `--version`, or standard JSON from stdin to stdout.
const fs = require("fs");
const path = require("path");
const solc = require("solc");

const read = (name) => ({ contents: fs.readFileSync(path.join(__dirname, name), "utf8") });

if (process.argv.includes("--version")) {
  const version = solc.version().replace(/\.Emscripten\.clang$/, ".Linux.g++");
  console.log(`solc, the solidity compiler commandline interface\nVersion: ${version}`);
} else {
  process.stdout.write(solc.compile(fs.readFileSync(0, "utf8"), { import: read }));
}
