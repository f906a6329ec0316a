#!/usr/bin/env python3
"""No kernel spills registers: reads what `nvcc -Xptxas -v` prints for .cu files.

usage: ptxas_spills.py REPOSITORY NVCC [CU_FILE]

Compiles every tests/**/*_test.cu (or CU_FILE) for sm_80 and sm_90, warnings being errors. Ends with 77, saying so, where
there is no such compiler.
"""
import re
import shutil
import subprocess
import sys
from pathlib import Path

ARCHITECTURES = ["80", "90"]
KERNEL = re.compile(r"Function properties for (\S+)")
SPILLS = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")


def compiled(root, nvcc, file):
    command = [nvcc, "-std=c++20", "-O2", "-Xptxas", "-v", "-Xcompiler=-Wall,-Wextra", "-Werror", "all-warnings",
               *(f"-gencode=arch=compute_{a},code=sm_{a}" for a in ARCHITECTURES),
               f"-I{root / 'include'}", f"-I{root / 'tests'}", "-fatbin", "-o", "/dev/null", str(file)]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def main(repository, nvcc="nvcc", file=None):
    if shutil.which(nvcc) is None:
        print(f"limbeck skipped: no CUDA compiler {nvcc}")
        return 77
    root = Path(repository)
    files = [Path(file)] if file else sorted((root / "tests").rglob("*_test.cu"))
    done = [compiled(root, nvcc, f) for f in files]
    for each in done:
        if each.returncode != 0:
            print(each.stdout)
            return 1
    kernel, kernels, problems = None, 0, []
    for line in "\n".join(each.stdout for each in done).splitlines():
        if found := KERNEL.search(line):
            kernel = found.group(1)
        elif (found := SPILLS.search(line)) and kernel:
            kernels += 1
            if any(int(number) for number in found.groups()):
                problems.append(f"{kernel}: {line.strip()}")
            kernel = None
    if kernels == 0:
        problems.append("ptxas named no kernel: has its output changed?")
    print(*problems, f"{kernels} kernels, {len(problems)} problems", sep="\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
