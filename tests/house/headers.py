#!/usr/bin/env python3
"""Every header is in exactly one list of cmake/headers.cmake, the list of its component, and the lists are sorted.

usage: headers.py REPOSITORY [--write]

--write makes the lists so, after headers were added, renamed or removed.
"""
import sys
from pathlib import Path

COMPONENTS = ["limbeck", "blas", "onednn", "xtensor", "text", "io", "training", "torch", "cuda"]
OF_FOLDER = {"data": "text", "io": "io", "training": "training", "recipes": "training"}  # others: limbeck
OF_HEADER = {"backend/blas.hpp": "blas", "backend/onednn.hpp": "onednn", "backend/onednn_bf16.hpp": "onednn",
             "backend/cublas_lt.hpp": "cuda",
             # what AdamW is on a device too, which needs nothing of training's packages
             "training/adamw_formula.hpp": "limbeck", "training/clipping.hpp": "limbeck",
             "interop/torch.hpp": "torch", "interop/xtensor.hpp": "xtensor"}
OPENING = """\
# The headers of every component, under include/limbeck, each named once: this installs them and compiles each alone.
# `tests/house/headers.py . --write` brings the lists up to date; the test of the same name fails where they are not.
"""


def folder_of(header):
    return header.split("/")[0].removesuffix(".hpp")


def component_of(header):
    if header.endswith("_cuda.hpp") or header.startswith("backend/cuda_"):
        return "cuda"
    return OF_HEADER.get(header) or OF_FOLDER.get(folder_of(header), "limbeck")


def lists_of(headers):
    text = OPENING
    for component in COMPONENTS:
        members = sorted((h for h in headers if component_of(h) == component), key=lambda h: (folder_of(h), h))
        if members:
            text += "\n".join(["", "set(", f"  limbeck_headers_{component}", *(f"  {h}" for h in members), ")", ""])
    return text


def main(repository, write=False):
    base = Path(repository, "include", "limbeck")
    wanted = lists_of({str(path.relative_to(base)) for path in base.rglob("*") if path.is_file()})
    file = Path(repository, "cmake", "headers.cmake")
    found = file.read_text(encoding="utf-8") if file.exists() else ""
    if found == wanted:
        return 0
    if write:
        file.write_text(wanted, encoding="utf-8")
        return 0
    there, listed = ({word for word in text.split() if word.endswith(".hpp")} for text in (wanted, found))
    print(*(f"cmake/headers.cmake lacks {header}" for header in sorted(there - listed)), sep="\n")
    print(*(f"cmake/headers.cmake should not have {header}" for header in sorted(listed - there)), sep="\n")
    print("cmake/headers.cmake: not as `tests/house/headers.py . --write` makes it")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], "--write" in sys.argv[2:]))
