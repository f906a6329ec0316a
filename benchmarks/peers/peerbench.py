"""The folder that LIMBECK_REFERENCE_DIR names, and how its scripts are run with variants of limbeck's among theirs."""
import os
import runpy
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
