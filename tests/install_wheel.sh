#!/bin/sh
# install_wheel.sh PYTHON WHEEL: a fresh environment with the wheel runs the starter suite elsewhere
set -eu
wheel=$(realpath "$2")
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
"$1" -m venv "$room/venv"
"$room/venv/bin/python" -m pip install --quiet "$wheel"
cd "$room"
venv/bin/bench run --suite starter --quiet
venv/bin/python -c '
import csv, sys
import bench
rows = list(csv.DictReader(open("results/starter/records.csv")))
done = sum(row["status"] == "done" for row in rows)
print(f"Python {sys.version.split()[0]}, bench {bench.__version__}: {done} of {len(rows)} done")
sys.exit(not done or any(row["status"] == "failed" for row in rows))'
