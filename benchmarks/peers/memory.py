#!/usr/bin/env python3
"""How much memory a distillation step takes beyond weights, gradients and moments: limbeck's and PyTorch's, same lengths.

usage: memory.py --library build/.../liblimbeck_peer_step.so [--configs A,B] [--out FILE]

Every configuration of train_step.py runs in a process of its own (its option --rss), and so does limbeck's step. The excess is
the largest resident memory after three rounds, less that of before (interpreter and libraries), less the parameters: weights,
gradients and moments of the student, weights of the teacher, which are the same in both. Writes JSON to FILE.
"""
import argparse
import inspect
import json
import os
import resource
import subprocess
import sys

import distillation_step
import peerbench

CONFIGS = "eager_fp32_longest,eager_fp32_longest_grouped,eager_bf16_longest_grouped,eager_bf16_longest_grouped_cached"


def largest_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def say_lengths():
    """The samples' lengths of train_step.py, which makes them with PyTorch's random numbers."""
    def stop(_variants, *_rest):
        script = inspect.currentframe().f_back.f_globals
        print(json.dumps({"batch": script["a"].batch, "lengths": [int(n) for n in script["batches"](False)[1]]}))
        sys.exit(0)

    peerbench.run("train_step.py", ["--configs", "none"], interleave=stop)


def run_ours(library, stored):
    shape = json.loads(sys.stdin.read())
    loaded = distillation_step.load(library)
    before = largest_mib()
    threads = int(os.environ.get("OMP_NUM_THREADS", os.cpu_count()))
    step = distillation_step.Step(loaded, shape["lengths"], shape["batch"], threads, stored)
    for _ in range(3):
        step()
    print(json.dumps({"config": "limbeck_fp32" + ("_cached" if stored else ""), "rss_after_imports_MiB": before,
                      "peak_rss_MiB": largest_mib(), "parameters_MiB": step.parameter_bytes() / 2**20}))


def child(*command, **options):
    """What it prints last, as JSON."""
    ran = subprocess.run([sys.executable, *command], check=True, stdout=subprocess.PIPE, text=True, **options)
    return json.loads(ran.stdout.strip().split("\n")[-1])


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--library", type=os.path.abspath)
    parser.add_argument("--configs", default=CONFIGS)
    parser.add_argument("--out")
    parser.add_argument("--child", choices=["lengths", "ours", "ours_stored"])
    arguments = parser.parse_args()
    if arguments.child == "lengths":
        return say_lengths()
    if not arguments.library:
        parser.error("--library is missing")
    if arguments.child:
        return run_ours(arguments.library, arguments.child == "ours_stored")

    here, script = os.path.abspath(__file__), os.path.join(peerbench.folder(), "train_step.py")
    lengths = json.dumps(child(here, "--child", "lengths"))
    rows = [child(here, "--child", which, "--library", arguments.library, input=lengths) for which in ("ours", "ours_stored")]
    rows += [child(script, "--rss", config) for config in arguments.configs.split(",")]
    for row in rows:
        row["parameters_MiB"] = rows[0]["parameters_MiB"]
        row["excess_MiB"] = row["peak_rss_MiB"] - row["rss_after_imports_MiB"] - row["parameters_MiB"]
        print(f"{row['config']:36} {row['excess_MiB']:8.1f} MiB beyond {row['parameters_MiB']:.1f} MiB of parameters")
    if arguments.out:
        with open(arguments.out, "w", encoding="utf-8") as file:
            json.dump({"bench": "memory", "rows": rows}, file, indent=1)


if __name__ == "__main__":
    main()
