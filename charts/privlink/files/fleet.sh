#!/bin/sh
# A pod of the Indexed Job that looks for drift in many stacks. Indexes 0 to SHARDS - 1 look at a part of them each; index SHARDS
# waits for the parts, and makes one report of them.
#
# Arguments before `--` are of `privlink drift`, those behind it of `privlink merge`. In the environment: STACKS, the folder of the
# stacks; REPORTS, a folder that all pods write to; JOB_NAME; JOB_COMPLETION_INDEX, which Kubernetes sets; SHARDS; MERGE_AFTER, the
# seconds after which a part counts as missing.
set -eu
run=$REPORTS/$JOB_NAME
mkdir -p "$run"
if [ "$JOB_COMPLETION_INDEX" -lt "$SHARDS" ]; then looks=1; else looks=0; fi

of_drift=1
for word in "$@"; do
    shift
    if [ "$word" = -- ]; then
        of_drift=0
    elif [ "$of_drift" = "$looks" ]; then
        set -- "$@" "$word"
    fi
done

if [ "$looks" = 1 ]; then
    part=$run/part-$JOB_COMPLETION_INDEX.json
    code=0
    # Drift is for the report of all to tell: what fails here is tried again.
    privlink drift --stacks "$STACKS" --shards "$SHARDS" --arm-share "1/$SHARDS" --exit-zero --output=json "$@" >"$part.new" || code=$?
    if [ "$code" = 0 ]; then
        mv "$part.new" "$part"
    elif [ "$code" = 1 ] && [ -s "$part.new" ]; then
        # What could not be read is in it, and better than nothing, should no try do better.
        mv "$part.new" "$part.incomplete"
    fi
    exit "$code"
fi

deadline=$(($(date +%s) + MERGE_AFTER))
while :; do
    missing=0
    index=0
    while [ "$index" -lt "$SHARDS" ]; do
        [ -e "$run/part-$index.json" ] || missing=1
        index=$((index + 1))
    done
    [ "$missing" = 1 ] && [ "$(date +%s)" -lt "$deadline" ] || break
    sleep 1
done
index=0
while [ "$index" -lt "$SHARDS" ]; do
    part=$run/part-$index.json
    for file in "$part" "$part.incomplete"; do
        if [ -e "$file" ]; then
            set -- "$file" "$@"
            break
        fi
    done
    index=$((index + 1))
done
code=0
privlink merge --baseline "$REPORTS/last.json" --render "json=$REPORTS/last.json" "$@" || code=$?
# 2 is drift, and told.
case $code in 0 | 2) rm -r "$run" ;; esac
exit "$code"
