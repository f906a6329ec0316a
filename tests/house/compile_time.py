#!/usr/bin/env python3
"""How long a program waits for limbeck's headers: one loss and everything, beside Eigen/Dense in the same run.

usage: compile_time.py REPOSITORY COMPILER EIGEN_FOLDER

Prints the fastest of three compilations of a file with one include, at -O2. A report: it fails on no number.
"""
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def seconds(compiler, folders, header):
    """None where it does not compile."""
    best = None
    with tempfile.TemporaryDirectory() as work:
        source = Path(work, "main.cpp")
        source.write_text(f"#include <{header}>\nint main() {{}}\n")
        for _ in range(3):
            start = time.perf_counter()
            done = subprocess.run([compiler, "-std=c++20", "-O2", *folders, "-c", str(source), "-o", str(source) + ".o"],
                                  capture_output=True, env={**os.environ, "CCACHE_DISABLE": "1"})
            if done.returncode != 0:
                return None
            taken = time.perf_counter() - start
            best = taken if best is None else min(best, taken)
    return best


def main(repository, compiler, eigen):
    folders = ["-I", str(Path(repository, "include")), "-isystem", eigen]
    base = seconds(compiler, folders, "Eigen/Dense")
    print(f"compile time, {compiler} -O2:")
    for header, goal in (("Eigen/Dense", None), ("limbeck/losses/soft_target.hpp", 1.5), ("limbeck/limbeck.hpp", 6)):
        taken = base if goal is None else seconds(compiler, folders, header)
        if taken is None:
            print(f"  {header:32}does not compile")
            continue
        line = f"  {header:32}{taken:6.2f} s"
        if goal is not None:
            line += f"  goal {goal} s" + (f"  {taken / base:5.2f} times Eigen/Dense" if base else "")
        print(line)


if __name__ == "__main__":
    main(*sys.argv[1:])
