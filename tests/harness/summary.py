"""Adds up what the test programs said, from Meson's logs: doctest's cases, and the cases of scripts.

A doctest program says "test cases: N | N passed | N failed"; a script ends with "N passed, N failed". A program
that says neither counts as one, and one that fails without a failed case (a crash, a time limit) as one failed.
"""
import json
import re
import sys

DOCTEST = re.compile(r"test cases:\s*\d+ \|\s*(\d+) passed \|\s*(\d+) failed")
SCRIPT = re.compile(r"^(\d+) passed, (\d+) failed\s*$", re.M)


def count(run):
    said = run.get("stdout") or ""
    found = DOCTEST.findall(re.sub(r"\x1b\[[0-9;]*m", "", said)) or SCRIPT.findall(said)[-1:]
    passed = sum(int(p) for p, _ in found)
    failed = sum(int(f) for _, f in found)
    good = run["result"] in ("OK", "EXPECTEDFAIL")
    if not found and good:
        passed = 1
    if not good and failed == 0:
        failed = 1
    return passed, failed


def main():
    passed = failed = 0
    for path in sys.argv[1:]:
        try:
            lines = open(path, encoding="utf-8").read().splitlines()
        except OSError:
            print(f"{path} is missing: its tests did not run")
            failed += 1
            continue
        if not lines:
            print(f"{path} is empty: its tests did not run")
            failed += 1
        for line in lines:
            run = json.loads(line)
            if run["result"] == "SKIP":   # it has said why
                why = re.search(r"^skipped\b.*$", run.get("stdout") or "", re.M | re.I)
                print(f"skipped: {run['name']}: {why.group(0) if why else 'no reason was given'}")
                continue
            p, f = count(run)
            passed += p
            failed += f
            if f:
                print(f"failed: {run['name']} ({run['result']})")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
