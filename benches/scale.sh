#!/usr/bin/env bash
# Prints how plans scale: one table over generated stacks of 100 to 100,000 nodes, time by stage, start-up,
# observation and apply, of the binary that is released. Takes some minutes, and about 2 GB in TMPDIR. NODES may be given: scale.sh 1000 10000
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --profile dist --quiet --bin privlink
target=$(cargo metadata --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
empty=$(mktemp -d)
trap 'rm -rf "$empty"' EXIT
echo 'fn main() {}' | rustc -O -o "$empty/empty" -
cargo bench --profile dist --quiet --bench scale -- table "$target/dist/privlink" "$empty/empty" "$@"
cargo bench --profile dist --quiet --bench scale -- sandbox
