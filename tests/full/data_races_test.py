#!/usr/bin/env python3
"""What training runs on several threads is free of data races: builds the preset `tsan` and runs its tests.

The program is not used. Ends with 77 where there is no clang 14 with its OpenMP.
"""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
COMPILER = "clang++-14"


RACE = """
int main() {
  int sum = 0;
#pragma omp parallel for num_threads(2)
  for (int i = 0; i < 1000; ++i) sum += i;
  return sum == 0;
}
"""


def finds_a_race():
    """Whether compiler, OpenMP and sanitizer are here and tell of a sum without a reduction."""
    if shutil.which(COMPILER) is None:
        return False
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "race")
        made = subprocess.run([COMPILER, "-O1", "-fopenmp", "-fsanitize=thread", "-x", "c++", "-", "-o", program], input=RACE,
                              text=True, stderr=subprocess.DEVNULL)
        if made.returncode:
            return False
        told = subprocess.run([program], stderr=subprocess.PIPE, text=True,
                              env=dict(os.environ, TSAN_OPTIONS="ignore_noninstrumented_modules=1"))
        return "data race" in told.stderr


def step(*command):
    """Runs a command of CMake; its last lines are shown, all of them where it failed."""
    begun = time.monotonic()
    done = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    lines = done.stdout.splitlines()
    print(f"{' '.join(command)}: {time.monotonic() - begun:.0f} s", *(lines if done.returncode else lines[-4:]), sep="\n",
          flush=True)
    if done.returncode:
        sys.exit(1)


parser = argparse.ArgumentParser()
parser.add_argument("--program")
parser.parse_args()
if not finds_a_race():
    print(f"limbeck skipped: no {COMPILER} whose thread sanitizer finds a race under OpenMP")
    sys.exit(77)
step("cmake", "--preset", "tsan")
step("cmake", "--build", "--preset", "tsan")
step("ctest", "--preset", "tsan", "--no-tests=error")
