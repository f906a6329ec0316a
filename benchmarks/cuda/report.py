#!/usr/bin/env python3
"""Makes a page and a plot of what cuda_measure and peers.py wrote.

usage: report.py MEASURED [PEERS] --output DIR
       report.py MEASURED --check

Writes cuda.md and cuda-kernels.svg. --check: only reads, and ends with 1 where a line lacks something.
"""
import argparse
import json
import math
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "peers"))

import drawing

FIELDS = {"device": ("name", "multiprocessors", "memory"),
          "kernel": ("loss", "type", "rows", "classes", "ms"),
          "fused": ("loss", "rows", "classes", "width", "ms", "bytes"),
          "step": ("model", "products", "tokens", "ms", "tokens_per_second")}
OURS = {"kernel": ("reads", "blocks_a_row", "bytes", "copy_ms", "of_copy"), "fused": ("products", "slices", "dense_ms", "dense_bytes", "of_dense")}
COLOURS = ("#3b6ea5", "#2a7f62", "#b5543c", "#8a6d3b", "#6a4c93", "#444444", "#c77dba", "#7a9e2f", "#1f9e9e", "#d1495b",
           "#5f7d95", "#a0522d")


def lines_of(file):
    lines = []
    for number, text in enumerate(Path(file).read_text(encoding="utf-8").splitlines(), 1):
        line = json.loads(text)
        wanted = FIELDS[line["what"]] + (() if "side" in line else OURS.get(line["what"], ()))
        missing = [field for field in wanted if field not in line]
        if missing:
            sys.exit(f"{file}:{number}: no {', '.join(missing)}")
        lines.append(line)
    return lines


def table(head, rows):
    return "\n".join("| " + " | ".join(str(x) for x in row) + " |" for row in [head, ["---"] * len(head), *rows])


def kernel_rows(ours, theirs):
    for k in ours:
        beside = [f"{t['side']} {t['ms'] / k['ms']:.2f}" for t in theirs
                  if (t["loss"], t["type"], t["rows"], t["classes"]) == (k["loss"], k["type"], k["rows"], k["classes"])]
        yield (k["loss"], k["type"], f"[{k['rows']}, {k['classes']}]", k["reads"], k["blocks_a_row"], f"{k['ms']:.4g}",
               f"{100 * k['of_copy']:.0f} %", "; ".join(beside))


def fused_rows(ours, theirs):
    for f in ours:
        beside = [f"{t['side']} {t['ms'] / f['ms']:.2f}, {t['bytes'] / f['bytes']:.1f} times the memory" for t in theirs
                  if (t["loss"], t["rows"], t["classes"], t["width"]) == (f["loss"], f["rows"], f["classes"], f["width"])]
        yield (f["loss"], f["products"], f"[{f['rows']}, {f['width']}] to {f['classes']}", f["slices"], f"{f['ms']:.4g}",
               f"{f['dense_ms']:.4g}", f"{f['bytes'] / 2**20:.0f} MiB", f"{f['of_dense']:.3f}", "; ".join(beside))


def step_rows(ours, theirs):
    for s in ours:
        beside = [f"{t['side']}, {t['products']} {t['ms'] / s['ms']:.2f}" for t in theirs if t["model"] == s["model"]]
        yield s["model"], s["products"], s["tokens"], f"{s['ms']:.4g}", f"{s['tokens_per_second']:.4g}", "; ".join(beside)


def plot(kernels):
    """The share of the copy's bandwidth against classes, in bfloat16."""
    width, height, left, bottom = 640, 320, 50, 40
    parts = [drawing.text(left, 16, "Share of a copy's bandwidth, bfloat16, against classes")]
    across = lambda classes: left + (width - left - 150) * math.log2(classes) / 18
    up = lambda share: height - bottom - (height - bottom - 30) * share
    for share in (0, 0.25, 0.5, 0.75, 1):
        parts.append(drawing.line(left, up(share), width - 150, up(share), "#dddddd"))
        parts.append(drawing.text(left - 6, up(share) + 4, f"{100 * share:.0f} %", text_anchor="end"))
    for power in range(0, 19, 3):
        parts.append(drawing.text(across(2**power), height - bottom + 16, str(2**power), text_anchor="middle"))
    for colour, loss in zip(COLOURS, dict.fromkeys(k["loss"] for k in kernels)):
        points = sorted({k["classes"]: k["of_copy"] for k in kernels if k["loss"] == loss and k["type"] == "bfloat16"}.items())
        parts.append(drawing.path([(across(c), up(min(share, 1.0))) for c, share in points], colour))
        at = 30 + 16 * list(dict.fromkeys(k["loss"] for k in kernels)).index(loss)
        parts.append(drawing.text(width - 140, at, loss.replace("_", " "), fill=colour))
    return drawing.page(width, height, "CUDA kernels", parts)


def main():
    arguments = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    arguments.add_argument("measured")
    arguments.add_argument("peers", nargs="?")
    arguments.add_argument("--output")
    arguments.add_argument("--check", action="store_true")
    told = arguments.parse_args()
    ours = lines_of(told.measured)
    theirs = lines_of(told.peers) if told.peers else []
    of = lambda lines, what: [line for line in lines if line["what"] == what]
    if not (of(ours, "device") and of(ours, "kernel") and of(ours, "fused") and of(ours, "step")):
        sys.exit(f"{told.measured}: no device, kernel, fused loss or step")
    if told.check:
        return
    folder = Path(told.output)
    folder.mkdir(parents=True, exist_ok=True)
    device = of(ours, "device")[0]
    kernels, steps = of(ours, "kernel"), of(ours, "step")
    text = [f"# Measured on {device['name']}", "",
            "Made by `benchmarks/cuda/run.sh`. Times are medians of CUDA events; the copy runs in turn with each kernel and moves as many "
            "bytes as the kernel: each logit as often as it is read, and the gradient once. Ratios beside: their time over ours.", "",
            table(("loss", "type", "size", "reads", "blocks a row", "ms", "of the copy", "others' time / ours"), kernel_rows(kernels, of(theirs, "kernel"))), "",
            "![Share of a copy's bandwidth](cuda-kernels.svg)", "",
            "Losses fused with the last linear maps of both models: values, and gradients of hidden states and weights. Memory is what the "
            "device's pool gave beyond what goes in and comes out; dense: the same with all logits at once.", "",
            table(("loss", "products", "size", "slices", "ms", "dense ms", "memory", "of dense", "others' / ours"),
                  fused_rows(of(ours, "fused"), of(theirs, "fused"))), "",
            table(("model", "products", "tokens", "ms a step", "tokens / s", "others' time / ours"), step_rows(steps, of(theirs, "step"))), ""]
    (folder / "cuda.md").write_text("\n".join(text), encoding="utf-8")
    (folder / "cuda-kernels.svg").write_text(plot(kernels), encoding="utf-8")
    print(folder / "cuda.md")


if __name__ == "__main__":
    main()
