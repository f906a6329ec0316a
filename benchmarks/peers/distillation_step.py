"""Runs train_step.py of the reference folder with limbeck's step as further configurations, all in turn, same lengths.

usage: distillation_step.py --library build/.../liblimbeck_peer_step.so [NAME=other.so ...] [arguments of train_step.py]

LIMBECK_REFERENCE_DIR names the folder that holds peerbench. Writes what train_step.py writes, and our rows into it.
"""
import ctypes
import inspect
import os
import runpy
import sys


class Step:
    """A configuration of limbeck: called, it trains on every batch once."""

    def __init__(self, library, lengths, batch_size, threads, stored):
        self.library = ctypes.CDLL(library)
        self.library.limbeck_step_new.restype = ctypes.c_void_p
        self.library.limbeck_step_round.restype = ctypes.c_double
        array = (ctypes.c_int64 * len(lengths))(*lengths)
        self.handle = ctypes.c_void_p(self.library.limbeck_step_new(
            array, ctypes.c_int64(len(lengths)), ctypes.c_int64(batch_size), ctypes.c_int(threads), ctypes.c_int(stored)))

    def __call__(self):
        return self.library.limbeck_step_round(self.handle)


def main():
    arguments = sys.argv[1:]
    if "--help" in arguments or "-h" in arguments or "--library" not in arguments:
        sys.exit(__doc__)
    reference = os.environ.get("LIMBECK_REFERENCE_DIR")
    if not reference:
        sys.exit("LIMBECK_REFERENCE_DIR is not set: it names the folder that holds peerbench")
    peers = os.path.join(reference, "peerbench")
    at = arguments.index("--library")
    libraries = {"limbeck": os.path.abspath(arguments[at + 1])}
    del arguments[at:at + 2]
    while len(arguments) > at and "=" in arguments[at]:
        name, path = arguments.pop(at).split("=", 1)
        libraries[name] = os.path.abspath(path)

    sys.path.insert(0, peers)
    import common
    import torch

    interleave_theirs = common.interleave

    def interleave_all(variants, *rest):
        script = inspect.currentframe().f_back.f_globals
        samples, size = script["a"].batch * script["a"].nb, script["a"].batch
        lengths = [int(n) for n in script["batches"](False)[1]]
        assert len(lengths) == samples
        ours = {}
        for name, library in libraries.items():
            for stored in (False, True):
                ours[f"{name}_fp32{'_cached' if stored else ''}"] = Step(
                    library, lengths, size, torch.get_num_threads(), stored)
        for name in ours:
            script["WASTE"][name] = 1.0  # packed: no padding
        return interleave_theirs({**variants, **ours}, *rest)

    common.interleave = interleave_all
    script = os.path.join(peers, "train_step.py")
    sys.argv = [script, *arguments]
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main()
