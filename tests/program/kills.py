"""Runs that are killed at a random moment: what the tests of kill -9 share."""
import os
import time

from small_task import start


def partial_files(output):
    """Files that are being written under a name for the time being, the checkpoint's or a model's."""
    found = []
    for folder in (output, output / "last"):
        try:
            found += [name for name in os.listdir(folder) if name.endswith(".partial")]
        except FileNotFoundError:
            pass
    return found


def killed(line, output, chance, inside, usual):
    """Kills the run at a random moment; `inside`: as soon as, after that moment, a save is under way. The result is
    whether it was killed before it had ended, and whether in a save."""
    process = start(*line)
    moment = time.monotonic() + chance.uniform(0, 0.6 if inside else 0.95) * usual
    while time.monotonic() < moment and process.poll() is None:
        time.sleep(0.0005)
    while inside and process.poll() is None and not partial_files(output):
        pass
    process.kill()
    process.communicate()
    return process.returncode == -9, bool(partial_files(output))
