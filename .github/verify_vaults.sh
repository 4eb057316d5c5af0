#!/usr/bin/env bash
# Verifies the vaults that differ from a branch: decodes every stream and computes every metric again. Exit status 1 where
# one differs from what it says, or where a stream or a metric could not be checked.
# usage: verify_vaults.sh BRANCH
set -uo pipefail
export PYTHONSAFEPATH=1 # Python imports nothing of the pull request, in whose folder this runs
status=0
while IFS= read -r -d '' vault; do
  echo "## $vault"
  dataset=$(python -c 'import json, sys, zipfile
print(json.loads(zipfile.ZipFile(sys.argv[1]).read("run.json"))["dataset"])' "$vault") || { status=1; continue; }
  python -m bench fetch -- "$dataset" || echo "$dataset cannot be downloaded"
  python -m bench vault verify --strict -- "$vault" || status=1
done < <(git diff -z --name-only --diff-filter=d "$1"...HEAD -- 'results/*.zip')
exit "$status"
