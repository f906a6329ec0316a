#!/usr/bin/env python3
"""Measures every loss against the limits of the machine and against float64, and draws it.

usage: plots.py build/main [--docs docs/measurements] [--min-time SECONDS] [--filter REGEX]

Build the targets bench_losses and gradient_error first. Runs the benchmarks of names that end in `_against_SIZE`
(class_sizes_bench.cpp, token_sizes_bench.cpp), each for SECONDS (default 0.1) on one thread and on all, and gradient_error.
Writes loss-kernels.md, loss-kernels.svg (the share of the limit against sizes) and gradient-error.svg (the error of each storage
type) into the folder. Nothing else should run on the machine.
"""
import argparse
import json
import math
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "peers"))

import drawing
import report

STORAGES = ("double", "float", "bfloat16", "float16")
COLOURS = {"double": "#3b6ea5", "float": "#2a7f62", "bfloat16": "#b5543c", "float16": "#8a6d3b"}
THREADS = ("#3b6ea5", "#b5543c")  # one; all
SIZES = {"classes": "classes", "tokens": "tokens", "length": "tokens a sample", "samples": "samples"}


def measured(program, arguments):
    """{size's name: {loss: {threads: [(size, share of the limit, whether that of multiply-adds)]}}}"""
    command = [program, "--benchmark_format=json", f"--benchmark_filter=_against_({'|'.join(SIZES)})/.*{arguments.filter}",
               f"--benchmark_min_time={arguments.min_time}"]
    ran = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    families = {}
    for row in json.loads(ran.stdout)["benchmarks"]:
        name, kind, size, threads = re.fullmatch(r"(\w+)_against_(\w+)/\w+:(\d+)/threads:(\d+).*", row["run_name"]).groups()
        shares = (row["of_memory"], row.get("of_fma", 0))
        point = (int(size), max(shares), shares[1] > shares[0])
        families.setdefault(kind, {}).setdefault(name, {}).setdefault(int(threads), []).append(point)
    return families


def errors(program):
    """{loss: {storage: (largest, norm, judged)}}; whether all are small is the program's to say."""
    ran = subprocess.run([program], stdout=subprocess.PIPE, text=True)
    losses = {}
    for line in ran.stdout.splitlines():
        row = json.loads(line)
        losses.setdefault(row["loss"], {})[row["storage"]] = (row["largest"], row["norm"], row["judged"])
    return losses, ran.returncode == 0


def words(name):
    return name.replace("_", " ")


def machine(build):
    """Processor, threads and compiler."""
    with open("/proc/cpuinfo", encoding="utf-8") as told:
        lines = told.read().splitlines()
    field = lambda of: next(line.split(":", 1)[1].strip() for line in lines if line.startswith(of))
    cache = (build / "CMakeCache.txt").read_text(encoding="utf-8")
    setting = lambda of: re.search(rf"^{of}:\w+=(.*)$", cache, re.M).group(1)
    version = subprocess.run([setting("CMAKE_CXX_COMPILER"), "--version"], check=True, stdout=subprocess.PIPE, text=True)
    flags = " ".join(setting(f"CMAKE_CXX_FLAGS{kind}") for kind in ("", "_" + setting("CMAKE_BUILD_TYPE").upper())).strip()
    return f"{field('model name')}, {report.vectors(field('flags').split())}; {version.stdout.splitlines()[0]}, {flags}."


def panel(x, y, title, lines):
    """One loss: its share of the limit, 0 to 1 or to its best, against the logarithm of its size."""
    left, width, height = x + 30, 170, 90
    sizes = [math.log2(size) for of in lines.values() for size, _, _ in of]
    low, high = min(sizes), max(max(sizes), min(sizes) + 1)
    most = max(1, *(share for of in lines.values() for _, share, _ in of))
    across = lambda size: left + width * (math.log2(size) - low) / (high - low)
    up = lambda share: y + 20 + height * (1 - share / most)
    parts = [drawing.text(left, y + 12, title, font_weight="bold")]
    for share in (0, 0.5, 1):
        parts.append(drawing.line(left, up(share), left + width, up(share), "#ddd" if share else "#444"))
        parts.append(drawing.text(left - 4, up(share) + 4, f"{share:g}", text_anchor="end", fill="#666"))
    for size in (2**low, 2**high):
        parts.append(drawing.text(across(size), y + 34 + height, f"{size:,.0f}", text_anchor="middle", fill="#666"))
    for colour, threads in zip(THREADS, sorted(lines)):
        parts.append(drawing.path([(across(size), up(share)) for size, share, _ in sorted(lines[threads])], colour))
    return "\n".join(parts)


def plot_of_limits(families):
    """Panels in rows of four under a heading for what their size counts."""
    parts, y, columns = [], 30, 4
    counts = sorted({threads for losses in families.values() for of in losses.values() for threads in of})
    for at, (colour, threads) in enumerate(zip(THREADS, counts)):
        told = f"{threads} thread{'s' if threads > 1 else ''}"
        parts.append(drawing.text(10 + 90 * at, 16, told, fill=colour, font_weight="bold"))
    parts.append(drawing.text(200, 16, "share of what this machine's memory, or its multiply-adds, allow"))
    for kind, title in SIZES.items():
        losses = families.get(kind, {})
        if losses:
            parts.append(drawing.text(10, y + 10, f"against {title}", font_weight="bold", fill="#666"))
            y += 20
        for at, (name, lines) in enumerate(losses.items()):
            parts.append(panel(10 + 225 * (at % columns), y + 145 * (at // columns), words(name), lines))
        y += 145 * -(-len(losses) // columns)
    return drawing.page(20 + 225 * columns, y + 10, "Share of the machine's limit against sizes", parts)


def plot_of_errors(losses):
    """A dot for each storage type on a logarithmic axis."""
    left, width, top, height = 200, 560, 40, 16
    shown = [largest for of in losses.values() for largest, _, _ in of.values() if largest > 0]
    low, high = math.floor(math.log10(min(shown))), max(-1, math.ceil(math.log10(max(shown))))
    across = lambda error: left + width * (math.log10(max(error, 10**low)) - low) / (high - low)
    bottom, parts = top + height * len(losses), []
    for at, storage in enumerate(STORAGES):
        parts.append(drawing.text(left + 90 * at, 14, storage, fill=COLOURS[storage], font_weight="bold"))
    for power in range(low, high + 1):
        parts.append(drawing.line(across(10**power), top - 4, across(10**power), bottom, "#444" if power == -2 else "#ddd"))
        parts.append(drawing.text(across(10**power), top - 8, f"1e{power}", text_anchor="middle", fill="#666"))
    for at, (name, of) in enumerate(losses.items()):
        y = top + height * (at + 0.5)
        parts.append(drawing.text(left - 8, y + 4, words(name), text_anchor="end"))
        parts += [f'<circle cx="{across(largest):.1f}" cy="{y:g}" r="3.5" fill="{COLOURS[storage]}"/>'
                  for storage, (largest, _, _) in of.items()]
    return drawing.page(left + width + 40, bottom + 10, "Largest gradient error against float64", parts)


def tables_of_limits(families):
    for kind, title in SIZES.items():
        losses = families.get(kind, {})
        sizes = sorted({size for of in losses.values() for points in of.values() for size, _, _ in points})
        if not sizes:
            continue
        yield f"| {title} | threads | " + " | ".join(f"{size:,}" for size in sizes) + " |"
        yield "| --- | ---: | " + " | ".join("---:" for _ in sizes) + " |"
        for name, of in losses.items():
            for threads, points in sorted(of.items()):
                told = {size: f"{100 * share:.0f}{' f' if flops else ''}" for size, share, flops in points}
                yield f"| {words(name)} | {threads} | " + " | ".join(told.get(size, "") for size in sizes) + " |"
        yield ""


def table_of_errors(losses):
    yield "| | " + " | ".join(STORAGES) + " |"
    yield "| --- | " + " | ".join("---:" for _ in STORAGES) + " |"
    for name, of in losses.items():
        cells = (f"{of[s][0]:.1e} ({of[s][1]:.1e})" if s in of else "" for s in STORAGES)
        yield f"| {words(name)} | " + " | ".join(cells) + " |"


def page(build, families, losses):
    of_bf16 = {name: max(of["bfloat16"][:2]) for name, of in losses.items() if "bfloat16" in of and of["bfloat16"][2]}
    worst = max(of_bf16, key=of_bf16.get)
    newline = "\n"
    return f"""# Every loss against the machine's limits, and against float64

```
cmake --preset main -DLIMBECK_BUILD_BENCHMARKS=ON && cmake --build --preset main --target bench_losses gradient_error
python3 benchmarks/losses/plots.py build/main
```

{machine(build)}

## Share of the limit

Float32, value and gradient, which is added to. Percent of what the machine allows, measured in the same run on as many threads: the
bytes that the loss cannot do without, each once, against a triad over as much memory; where `f` stands its multiply-adds, against those
in registers. Above 100: caches hold what was counted as traffic. Against classes 2,097,152 logits, but of `fused linear kl` 64 rows
of width 64. Against lengths about 2,097,152 scores of 16 heads, 2,048 tokens of 384 (the teacher: 768) numbers, passages of 128 numbers
a token. Tokens and samples have 384 numbers, projected to 768.

![Share of the limit against sizes](loss-kernels.svg)

{newline.join(tables_of_limits(families))}
## Gradient error

The largest difference from float64 over the largest element, in brackets the norm of the differences over the gradient's, on the same
numbers: inputs are rounded first, sums are in float, and the gradient is stored as the inputs are. A student that is projected or
multiplied by a matrix is stored as float; there the type is the teacher's. `in batch maxsim` takes one type for all. In bfloat16 the
furthest is {words(worst)}, {100 * of_bf16[worst]:.2f} %. `top k kl to exact rest` is no such error: there the teacher's `log_rest`, a
sum over classes, was rounded too, and float64 has the exact one. Keep it in float, as the teacher store does.

![Largest gradient error against float64](gradient-error.svg)

{newline.join(table_of_errors(losses))}
"""


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("build", type=Path)
    parser.add_argument("--docs", type=Path, default=HERE.parents[1] / "docs" / "measurements")
    parser.add_argument("--min-time", type=float, default=0.1)
    parser.add_argument("--filter", default="")
    arguments = parser.parse_args()
    programs = arguments.build / "benchmarks"
    losses, close = errors(programs / "gradient_error")
    families = measured(programs / "bench_losses", arguments)
    if not families or not losses:
        sys.exit("no benchmark has such a name" if losses else "gradient_error printed nothing")
    arguments.docs.mkdir(parents=True, exist_ok=True)
    for name, content in (("loss-kernels.md", page(arguments.build, families, losses)),
                          ("loss-kernels.svg", plot_of_limits(families)), ("gradient-error.svg", plot_of_errors(losses))):
        (arguments.docs / name).write_text(content, encoding="utf-8")
    print("\n".join(table_of_errors(losses)))
    if not close:
        sys.exit("gradient_error: a gradient is further than 1 % from float64")


if __name__ == "__main__":
    main()
