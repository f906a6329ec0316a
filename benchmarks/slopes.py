#!/usr/bin/env python3
"""Prints how cost grows with size: the slope of log(time) over log(size), beside the one that is expected.

usage: slopes.py build/.../bench_training [--min-time SECONDS] [--filter REGEX] [--repetitions N]

Runs the program's benchmarks of names that end in `_against_SIZE` (training/sizes_bench.cpp), which use one thread, each for
SECONDS (default 0.2) N times (default 3), and takes the median of the processor's time. `slope` is fitted to all sizes by
least squares, `at the end` is that of the last two, where what does not grow has the least part.
"""
import argparse
import json
import math
import subprocess
import sys


def measured(arguments):
    """Name, then (size, seconds) in rising order and the slope that is expected, of each benchmark."""
    command = [arguments.program, "--benchmark_format=json", f"--benchmark_filter={arguments.filter}",
               f"--benchmark_min_time={arguments.min_time}", f"--benchmark_repetitions={arguments.repetitions}",
               "--benchmark_report_aggregates_only=true"]
    ran = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    units = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1}
    families = {}
    for row in json.loads(ran.stdout)["benchmarks"]:
        if row["aggregate_name"] != "median":
            continue
        name, size = row["run_name"].split("/")
        points, _ = families.setdefault(name, ([], row["expected_slope"]))
        points.append((int(size.split(":")[1]), row["cpu_time"] * units[row["time_unit"]]))
    return {name: (sorted(points), slope) for name, (points, slope) in families.items()}


def slope(points):
    x = [math.log(size) for size, _ in points]
    y = [math.log(seconds) for _, seconds in points]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    return sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y)) / sum((a - mean_x) ** 2 for a in x)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("program")
    parser.add_argument("--min-time", type=float, default=0.2)
    parser.add_argument("--filter", default="_against_")
    parser.add_argument("--repetitions", type=int, default=3)
    found = measured(parser.parse_args())
    if not found:
        sys.exit("no benchmark has such a name")
    print("| cost of | sizes | seconds | slope | at the end | expected |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, (points, expected) in found.items():
        (first, least), (last, most) = points[0], points[-1]
        print(f"| {name.replace('_', ' ')} | {first} to {last} | {least:.2g} to {most:.2g} | {slope(points):.2f} "
              f"| {slope(points[-2:]):.2f} | {expected:.0f} |")


if __name__ == "__main__":
    main()
