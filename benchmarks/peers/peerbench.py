"""The folder that LIMBECK_REFERENCE_DIR names, and how its scripts are run with variants of limbeck's among theirs."""
import os
import runpy
import statistics
import sys


def folder():
    reference = os.environ.get("LIMBECK_REFERENCE_DIR")
    if not reference:
        sys.exit("LIMBECK_REFERENCE_DIR is not set: it names the folder that holds peerbench")
    return os.path.join(reference, "peerbench")


def run(script, arguments, **replaced):
    """Runs a script of the folder, with functions of its common.py replaced."""
    sys.path.insert(0, folder())
    import common

    for name, function in replaced.items():
        setattr(common, name, function)
    path = os.path.join(folder(), script)
    sys.argv = [path, *arguments]
    runpy.run_path(path, run_name="__main__")


def common(name):
    """A function of its common.py."""
    sys.path.insert(0, folder())
    import common as module

    return getattr(module, name)


def timed(sides, rounds, warmup, budget):
    """What its summary() says of sides that run in turn, `eager` among them, and how many times quicker than `compiled` each is."""
    times = common("interleave")(sides, rounds, warmup, budget)
    told = common("summary")(times, "eager")
    for name in told:
        if "compiled" in times:
            told[name]["speedup_vs_compiled"] = statistics.median(b / a for b, a in zip(times["compiled"], times[name]))
    return told


def errors(value, gradients, expected, of):
    """Relative: of the value, and in the norm of the gradient that is further away."""
    return [abs(value - expected) / abs(expected), max(((a - b).norm() / b.norm()).item() for a, b in zip(gradients, of))]
