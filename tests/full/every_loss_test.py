#!/usr/bin/env python3
"""Every loss agrees with PyTorch's autograd in float64, where it is written once more: value and gradient, small batches.

usage: every_loss_test.py [--program PROGRAM] [--library LIBRARY]

LIBRARY: benchmarks/liblimbeck_peer_every_loss.so of the build that the program belongs to, unless given. Ends with 77
where PyTorch or the library is missing.
"""
import argparse
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
TOLERANCE = 1e-5

sys.path.insert(0, str(REPOSITORY / "benchmarks/peers"))
try:
    import every_loss
except ImportError as missing:
    print(f"limbeck skipped: {missing}")
    sys.exit(77)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--program", type=Path, default=Path("examples/limbeck"))
    parser.add_argument("--library", type=Path)
    arguments = parser.parse_args()
    library = arguments.library or arguments.program.resolve().parents[1] / "benchmarks/liblimbeck_peer_every_loss.so"
    if not library.exists():
        print(f"limbeck skipped: no {library.name} was built")
        sys.exit(77)
    losses = every_loss.loaded(library)
    failed = 0
    for kind, (named, _, sizes, _) in every_loss.KINDS.items():
        for name, function in named.items():
            for size in sizes:
                ours = every_loss.Ours(losses, kind, name, size)
                errors = every_loss.Exact(name, function, ours).errors_of(ours)
                ours.free()
                failed += not all(error <= TOLERANCE for error in errors)  # NaN is no agreement
                print(f"{name} {list(size)}: relative errors of the value {errors[0]:.1e}, of the gradient {errors[1]:.1e}")
    assert failed == 0, f"{failed} are further off than {TOLERANCE}"


if __name__ == "__main__":
    main()
