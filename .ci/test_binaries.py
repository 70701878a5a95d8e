"""Of what Cargo says it built (a file of JSON lines), the test binaries: name, folder to run in and path, a line each; those that
run beside others, or, with `alone`, those that do not."""

import json
import os
import sys

# Those that take longest, so that none of them is left to run alone at the end.
FIRST = ["history", "rules", "promql", "openraft", "generate", "history_log", "hotstuff", "command", "fleet", "prometheus", "notify"]

# Those that keep both cores busy, and look at how fast something comes.
ALONE = ["browser"]

wants_alone = sys.argv[2:] == ["alone"]
binaries = []
with open(sys.argv[1]) as built:
    for line in built:
        message = json.loads(line)
        if message["reason"] == "compiler-artifact" and message["profile"]["test"] and message["executable"]:
            name = message["target"]["name"]
            if (name in ALONE) != wants_alone:
                continue
            rank = FIRST.index(name) if name in FIRST else len(FIRST)
            binaries.append((rank, name, os.path.dirname(message["manifest_path"]), message["executable"]))
if not binaries:
    sys.exit("test_binaries: Cargo named no test binary")
for _, name, folder, path in sorted(binaries):
    print(name, folder, path)
