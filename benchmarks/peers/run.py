#!/usr/bin/env python3
"""Measures limbeck beside its peers, and writes one table and one plot of all that was measured.

usage: run.py --build build/main/benchmarks [--results FOLDER] [--docs docs/measurements] [--vocabulary vocab.txt] [--quick]
              [step] [losses] [every_loss] [fused_linear] [adamw] [products] [tokeniser] [memory]

Build the target limbeck_peers first. Needs LIMBECK_REFERENCE_DIR, a folder with peerbench, and runs under a Python that has
PyTorch, transformers and tokenizers. Each measurement runs both sides in turn in one process (memory: each configuration in its
own) on OMP_NUM_THREADS threads, 2 where that is not set, with peerbench's best settings for PyTorch, and leaves its JSON in
FOLDER (default BUILD/peers). Without names all are run; the table and the plot are made from whatever FOLDER holds, so single
ones can be run again, and `run.py ... none` only writes. The tokeniser needs the vocabulary. --quick: few rounds, no
torch.compile; numbers to look at, not to keep.
"""
import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import peerbench
import report

HERE = Path(__file__).resolve().parent
NAMES = ("step", "losses", "every_loss", "fused_linear", "adamw", "products", "tokeniser", "memory")
CONFIGS = ("eager_fp32_longest,eager_fp32_longest_grouped,compiled_fp32_longest_grouped,eager_bf16_longest_grouped,"
           "compiled_bf16_longest_grouped,eager_fp32_longest_cached,eager_bf16_longest_grouped_cached")


def quick_or(arguments, quick, full):
    return quick if arguments.quick else full


def commands(a):
    """Of each measurement, without the interpreter and without where its JSON goes."""
    theirs, build = Path(peerbench.folder()), a.build
    others = {"bf16": "limbeck", "eigen_native": "limbeck_eigen_native", "eigen": "limbeck_eigen"}
    steps = [str(build / "liblimbeck_peer_step.so")]
    steps += [f"{name}={path}" for of, name in others.items() if (path := build / f"liblimbeck_peer_step_{of}.so").exists()]
    eager = ",".join(name for name in CONFIGS.split(",") if "compiled" not in name)
    losses = ["--lib", build / "liblimbeck_peer_losses.so"]
    return {
        "step": [HERE / "distillation_step.py", "--library", *steps, "--configs", quick_or(a, eager, CONFIGS),
                 "--rounds", quick_or(a, 1, 5), "--budget", quick_or(a, 30, 150)],
        "losses": [theirs / "kd_losses.py", *losses, "--only", "kl_soft,ce+kl,jsd,attn_mse,hid_mse,cosine,relation",
                   *quick_or(a, ["--no-compile", "--rounds", 5, "--budget", 1], ["--rounds", 20, "--budget", 20])],
        "every_loss": [HERE / "every_loss.py", "--library", build / "liblimbeck_peer_every_loss.so",
                       *quick_or(a, ["--quick", "--no-compile", "--rounds", 2], [])],
        "fused_linear": [HERE / "fused_linear.py", "--library", build / "liblimbeck_peer_fused_linear.so",
                         *quick_or(a, ["--no-compile", "--rounds", 2], ["--rounds", 9])],
        "adamw": [theirs / "adamw.py", *losses, "--rounds", quick_or(a, 3, 20)],
        "products": [theirs / "gemm.py", "--dir", build / "products", *quick_or(a, ["--quick", "--rounds", 2], [])],
        "tokeniser": [HERE / "tokenise.py", "--library", build / "liblimbeck_peer_tokenise.so", "--vocabulary",
                      a.vocabulary, "--rounds", quick_or(a, 1, 5)],
        "memory": [HERE / "memory.py", "--library", build / "liblimbeck_peer_step.so"],
    }


def run(name, command, out):
    """Memory is measured with PyTorch as it is installed: its quickest settings never give any back."""
    print(f"--- {name}", flush=True)
    tuned = [] if name == "memory" else ["bash", "-c", '. "$0" && exec "$@"', str(Path(peerbench.folder()) / "env_tuned.sh")]
    environment = {"OMP_NUM_THREADS": "2", **os.environ}
    if not tuned:
        environment.pop("GLIBC_TUNABLES", None)  # of a shell that was tuned before
    subprocess.run([*tuned, sys.executable, *map(str, command), "--out", str(out)], check=True, env=environment)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--build", required=True, type=lambda p: Path(p).resolve())
    parser.add_argument("--results", type=Path)
    parser.add_argument("--docs", type=Path, default=HERE.parents[1] / "docs" / "measurements")
    parser.add_argument("--vocabulary", type=Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("names", nargs="*")
    a = parser.parse_args()
    for name in a.names:
        if name not in (*NAMES, "none"):
            parser.error(f"no measurement is called {name}: {', '.join(NAMES)}")
    results = a.results or a.build / "peers"
    results.mkdir(parents=True, exist_ok=True)
    wanted = a.names or [name for name in NAMES if name != "tokeniser" or a.vocabulary]
    if "tokeniser" in wanted and not a.vocabulary:
        parser.error("the tokeniser needs --vocabulary")
    for name in NAMES:
        if name in wanted:
            run(name, commands(a)[name], results / f"{name}.json")
    found = {n: json.loads((results / f"{n}.json").read_text()) for n in NAMES if (results / f"{n}.json").exists()}
    rows = report.rows(found)
    a.docs.mkdir(parents=True, exist_ok=True)
    (a.docs / "peers.md").write_text(report.page(found, rows), encoding="utf-8")
    (a.docs / "peers.svg").write_text(report.plot(rows), encoding="utf-8")
    print(report.table(rows))


if __name__ == "__main__":
    main()
