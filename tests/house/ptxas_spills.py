#!/usr/bin/env python3
"""No kernel spills registers: reads what `nvcc -Xptxas -v` said when test_cuda was compiled (keep_ptxas.py).

usage: ptxas_spills.py FOLDER [ARCHITECTURE...]

FOLDER holds OBJECT.ptxas for each OBJECT of a .cu file; each has to name kernels of every architecture.
"""
import re
import sys
from pathlib import Path

KERNEL = re.compile(r"Compiling entry function '(\S+)' for '(\S+)'|Function properties for (\S+)")
SPILLS = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")


def problems_of(file, architectures):
    kernel, seen, kernels, problems = None, set(), 0, []
    for line in file.read_text(encoding="utf-8").splitlines():
        if found := KERNEL.search(line):
            kernel = found.group(1) or found.group(3)
            seen.add(found.group(2))
        elif (found := SPILLS.search(line)) and kernel:
            kernels += 1
            if any(int(number) for number in found.groups()):
                problems.append(f"{kernel}: {line.strip()}")
            kernel = None
    problems += [f"{file}: nothing was compiled for {a}" for a in architectures if a not in seen]
    if kernels == 0:
        problems.append(f"{file}: ptxas named no kernel: has its output changed?")
    return kernels, problems


def main(folder, *architectures):
    files = sorted(Path(folder).rglob("*.cu.o.ptxas"))
    found = [problems_of(f, architectures) for f in files]
    problems = [p for _, of_file in found for p in of_file]
    if not files:
        problems.append(f"{folder}: no *.cu.o.ptxas")
    print(*problems, f"{sum(k for k, _ in found)} kernels, {len(problems)} problems", sep="\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
