#!/usr/bin/env python3
"""Runs train_step.py of the reference folder with limbeck's step as further configurations, all in turn, same lengths.

usage: distillation_step.py --library build/.../liblimbeck_peer_step.so [NAME=other.so ...] [arguments of train_step.py]

LIMBECK_REFERENCE_DIR names the folder that holds peerbench. Ours are called NAME (limbeck for the first) and the precision of
their products, and `_cached` where the teacher's outputs are stored. Writes what train_step.py writes, and our rows into it; a
last row has the multiply-adds in registers of as many threads, in float32 and by dot products of bfloat16 (0: there are none),
the faster of those before and after.
"""
import ctypes
import inspect
import os
import sys

import peerbench


def load(path):
    library = ctypes.CDLL(os.path.abspath(path))
    library.limbeck_step_new.restype = ctypes.c_void_p
    library.limbeck_step_delete.argtypes = [ctypes.c_void_p]
    library.limbeck_step_round.restype = ctypes.c_double
    library.limbeck_step_parameter_bytes.restype = ctypes.c_double
    library.limbeck_step_precision.restype = ctypes.c_char_p
    library.limbeck_multiply_add_limit.restype = ctypes.c_double
    library.limbeck_bfloat16_limit.restype = ctypes.c_double
    return library


class Step:
    """A configuration of limbeck: called, it trains on every batch once."""

    def __init__(self, library, lengths, batch_size, threads, stored):
        self.library = library
        array = (ctypes.c_int64 * len(lengths))(*lengths)
        self.handle = ctypes.c_void_p(self.library.limbeck_step_new(
            array, ctypes.c_int64(len(lengths)), ctypes.c_int64(batch_size), ctypes.c_int(threads), ctypes.c_int(stored)))

    def __call__(self):
        return self.library.limbeck_step_round(self.handle)

    def parameter_bytes(self):
        return self.library.limbeck_step_parameter_bytes(self.handle)


def main():
    arguments = sys.argv[1:]
    if "--help" in arguments or "-h" in arguments or "--library" not in arguments:
        sys.exit(__doc__)
    at = arguments.index("--library")
    libraries = [("limbeck", load(arguments[at + 1]))]
    del arguments[at:at + 2]
    while len(arguments) > at and "=" in arguments[at]:
        name, path = arguments.pop(at).split("=", 1)
        libraries.append((name, load(path)))

    import torch

    interleave, dump = peerbench.common("interleave"), peerbench.common("dump")
    limits = {"multiply_add": 0.0, "bfloat16": 0.0}

    def measure_limits():
        for name in limits:
            measured = getattr(libraries[0][1], f"limbeck_{name}_limit")(ctypes.c_int(torch.get_num_threads())) / 1e9
            limits[name] = max(limits[name], measured)

    def interleave_all(variants, *rest):
        script = inspect.currentframe().f_back.f_globals
        lengths = [int(n) for n in script["batches"](False)[1]]
        ours = {}
        for name, library in libraries:
            named = f"{name}_{library.limbeck_step_precision().decode()}"
            for stored in (False, True):
                ours[named + ("_cached" if stored else "")] = Step(
                    library, lengths, script["a"].batch, torch.get_num_threads(), stored)
        for name in ours:
            script["WASTE"][name] = 1.0  # packed: no padding
        measure_limits()
        times = interleave({**variants, **ours}, *rest)
        measure_limits()
        return times

    def dump_all(name, rows, out):
        return dump(name, rows + [{f"{name}_gflops": limit for name, limit in limits.items()}], out)

    peerbench.run("train_step.py", arguments, interleave=interleave_all, dump=dump_all)


if __name__ == "__main__":
    main()
