#!/usr/bin/env python3
"""The include graph of include/limbeck: no circle, and no folder includes one above it.

usage: include_graph.py REPOSITORY
"""
import re
import sys
from pathlib import Path

# The folders, and which folders each stands on. What those stand on may be used as well.
LAYERS = {
    "core": [],
    "mappings": ["core"],
    "data": ["core"],
    "interop": ["losses"],
    "backend": ["core"],
    "distributed": ["backend"],
    "ops": ["backend"],
    "compress": ["ops"],
    "losses": ["ops", "mappings"],
    "blocks": ["ops"],
    "models": ["blocks"],
    "io": ["models"],
    "training": ["losses", "models", "data", "io", "distributed"],
    "recipes": ["training"],
    "limbeck": ["interop", "compress", "losses", "models"],  # limbeck.hpp, which nothing includes
}


def below(folder):
    found = {folder}
    for other in LAYERS[folder]:
        found |= below(other)
    return found


def folder_of(header):
    """core/view.hpp and the umbrella core.hpp both belong to core."""
    return header.split("/")[0].removesuffix(".hpp")


def first_circle(graph):
    done, path = set(), []

    def visit(node):
        if node in path:
            return path[path.index(node):] + [node]
        if node not in done:
            path.append(node)
            for other in sorted(graph[node]):
                circle = visit(other)
                if circle:
                    return circle
            path.pop()
            done.add(node)
        return None

    for node in sorted(graph):
        circle = visit(node)
        if circle:
            return circle
    return None


def main(repository):
    base = Path(repository, "include", "limbeck")
    headers = sorted(str(path.relative_to(base)) for path in base.rglob("*.hpp"))
    problems, graph = [], {}
    for header in headers:
        text = (base / header).read_text(encoding="utf-8")
        graph[header] = set()
        if folder_of(header) not in LAYERS:
            problems.append(f"{header}: its folder is in no layer; name it in tests/house/include_graph.py")
            continue
        for number, line in enumerate(text.splitlines(), 1):
            found = re.match(r'\s*#\s*include\s*(["<])limbeck/([^">]+)', line)
            if re.match(r'\s*#\s*include\s*"(?!limbeck/)', line):
                problems.append(f'{header}:{number}: includes of limbeck are written "limbeck/FOLDER/FILE.hpp"')
            if not found:
                continue
            other = found.group(2)
            if other not in headers:
                problems.append(f"{header}:{number}: there is no limbeck/{other}")
                continue
            graph[header].add(other)
            if folder_of(other) not in below(folder_of(header)):
                problems.append(f"{header}:{number}: {folder_of(header)} may not include {other}")
    circle = first_circle(graph)
    if circle:
        problems.append("include circle: " + " -> ".join(circle))
    print(*problems, f"{len(headers)} headers, {len(problems)} problems", sep="\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
