#!/usr/bin/env python3
"""A file system that fails leaves the last good state, whole files only and one clear line; --resume goes on from there.

Full disks are small tmpfs: without the right to mount one those checks are skipped.
"""
import atexit
import json
import os
import re
import resource
import shutil
import subprocess

from small_task import (FOLDER, PROGRAM, check, check_refusal, complaint_of, distillation_of, fails, finish, from_scratch,
                        make_teacher, make_vocabulary, names_in, read_safetensors, repeated_files, run, start, succeeds,
                        task_of, training_of, wait_until, write_task)

KIB, NOBODY, SECONDS = 1024, 65534, 60
FULL = "No space left on device"


# --- What a run may leave ---------------------------------------------------------------------------------------------

def check_whole(output, what):
    """Every file there is a whole one, and nothing else is there."""
    for name in names_in(output):
        place = output / name
        try:
            if name.endswith(".safetensors"):
                read_safetensors(place)
            elif name.endswith(".jsonl"):
                text = place.read_text()
                assert not text or text.endswith("\n"), "a torn line"
                for line in text.splitlines():
                    json.loads(line)
            elif name.endswith(".html"):
                assert place.read_text().endswith("</html>\n"), "a torn page"
            elif name.endswith(".json"):
                json.loads(place.read_text())
            else:
                assert name.endswith("vocab.txt") and place.read_bytes() == words.read_bytes(), "nothing of a run's"
        except (ValueError, AssertionError) as problem:
            check(False, f"{what}: {name} is whole: {problem}")
    if (output / "config.json").exists():  # comes last: the model is there
        succeeds("evaluate", "--model", output, *task_of(data))


def check_same(output, unbroken, what):
    check(names_in(output) == names_in(unbroken), f"{what}: the files of an unbroken run: {names_in(output)}")
    for name in repeated_files(unbroken):
        check((output / name).read_bytes() == (unbroken / name).read_bytes(),
              f"{what}: {name} has the bytes of the unbroken run's")


def distillation(output, epochs=3, save_every=60):
    return distillation_of(teacher, *training_of(data, output, epochs=epochs, save_every=save_every, seed=3),
                           losses=["soft_target_kl:temperature=2"])


# --- Full disks -------------------------------------------------------------------------------------------------------

def mount(folder, size, *more):
    """An empty file system of so many bytes, kept in memory; False where that is not allowed."""
    folder.mkdir(parents=True, exist_ok=True)
    options = ",".join([f"size={size}", "mode=0755", *more])
    try:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", folder], stderr=subprocess.DEVNULL)
    except FileNotFoundError:
        return False
    if done.returncode == 0:
        atexit.register(subprocess.run, ["umount", "-l", folder])
    return done.returncode == 0


def remount(folder, options):
    subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True)


def check_disk_of(size, unbroken):
    """A run onto a disk of that size, and its end once the disk is larger. The result is the file that found no room and
    what was there, or None where all had room."""
    disk = FOLDER / f"disk_{size}"
    mount(disk, size)
    output = disk / "run"
    what = f"a disk of {size // KIB} KiB"
    done = run(*distillation(output), "--quiet")
    if done.returncode == 0:
        check_same(output, unbroken, what)
        return None
    check_refusal([output, FULL], done.returncode, done.stderr, what)
    check_whole(output, what)
    left = names_in(output)
    place = os.path.relpath(re.match(r"limbeck: ([^:]*): ", done.stderr).group(1), output)
    print(f"{size // KIB:4} KiB: no room for {place}; left {', '.join(left)}")
    remount(disk, f"size={4096 * KIB}")
    succeeds(*distillation(output), "--resume")
    check_same(output, unbroken, what)
    return place, left


def check_disks_of_all_sizes(unbroken):
    size, found = 4 * KIB, []
    while case := check_disk_of(size, unbroken):
        found.append(case)
        size = max(size + 4 * KIB, size * 5 // 4 // (4 * KIB) * 4 * KIB)
    print(f"{size // KIB:4} KiB: enough")
    kept = "checkpoint.safetensors"
    for place, has_state in (("run.jsonl", False), ("model.safetensors", False), ("model.safetensors", True), (kept, False),
                             (kept, True)):
        check(any(at == place and (kept in left) == has_state for at, left in found),
              f"a disk has no room for {place} {'behind' if has_state else 'before'} the first checkpoint")


def check_places_without_room(unbroken):
    """No room for the last state alone; none at all, for no file; and for a file of another verb."""
    output = FOLDER / "no_last"
    mount(output / "last", 8 * KIB)
    fails([output / "last", FULL], *distillation(output))
    check_whole(output, "no room for the last state")
    check("checkpoint.safetensors" in names_in(output), "the checkpoint stays until all is written")
    remount(output / "last", f"size={4096 * KIB}")
    succeeds(*distillation(output), "--resume")
    check_same(output, unbroken, "no room for the last state")

    nothing = FOLDER / "no_room"
    mount(nothing, 4 * KIB, "nr_inodes=1")
    fails([nothing / "run", FULL], *distillation(nothing / "run"), leaves=nothing)
    fails([nothing, FULL], *distillation(nothing), leaves=nothing)
    fails([nothing / "vocab.txt", FULL], "vocab", "--corpus", FOLDER / "corpus.txt", "--size", 90, "--output",
          nothing / "vocab.txt", leaves=nothing)
    small = FOLDER / "small"
    mount(small, 8 * KIB)
    (small / "vocab.txt").write_text("old " * 1000)
    rows = FOLDER / "many_words.txt"
    rows.write_text("".join(f"word{number} " * 3 + "\n" for number in range(4000)))
    fails([small / "vocab.txt", FULL], "vocab", "--corpus", rows, "--size", 4000, "--output", small / "vocab.txt",
          leaves=small)
    check((small / "vocab.txt").read_text() == "old " * 1000, "the old vocabulary stays")


def check_read_only_disk():
    disk = FOLDER / "read_only"
    mount(disk, 64 * KIB)
    (disk / "run").mkdir()
    remount(disk, "ro")
    fails([disk, "Read-only"], *distillation(disk / "run"), leaves=disk)
    fails([disk, "Read-only"], *distillation(disk / "new"), leaves=disk)
    fails([disk, "Read-only"], "vocab", "--corpus", FOLDER / "corpus.txt", "--size", 90, "--output", disk / "vocab.txt",
          leaves=disk)


def check_largest_size(unbroken):
    """A file that may grow no further (ulimit -f) is an error like a full disk, not the end of the process."""
    for most in (4 * KIB, 32 * KIB):
        output = FOLDER / f"limited_{most}"
        fails([output, "File too large"], *distillation(output),
              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)))
        check_whole(output, f"files of {most // KIB} KiB at most")
        print(f"{most // KIB:4} KiB a file: left {', '.join(names_in(output))}")
        succeeds(*distillation(output), "--resume")
        check_same(output, unbroken, f"files of {most // KIB} KiB at most")


# --- Folders that change while a run writes into them -----------------------------------------------------------------

def with_change(line, output, change, **how):
    """Runs until there is a checkpoint, changes something, and returns status and complaint of the run's end."""
    process = start(*line, "--quiet", **how)
    wait_until((output / "checkpoint.safetensors").exists, process, SECONDS)
    check(process.poll() is None, "the run was still under way")
    change()
    complaint = complaint_of(process, SECONDS)
    return process.returncode, complaint


def check_vanished_folder(unbroken):
    for number, takes_its_place in enumerate((False, True)):
        output, moved = FOLDER / f"vanishes_{number}", FOLDER / f"moved_{number}"

        def change():
            output.rename(moved)
            if takes_its_place:
                output.mkdir()

        status, complaint = with_change(distillation(output, epochs=30, save_every=0), output, change)
        check_refusal([output], status, complaint, "the folder vanished")
        check(not output.exists() or names_in(output) == [], f"it does not come back with half a run: {complaint}")
        for hidden in moved.glob(".*"):  # a lock that nobody holds, a file that was being written: they went with the folder
            hidden.unlink()
        check_whole(moved, "the folder that was moved")
        succeeds(*distillation(moved, epochs=30, save_every=0), "--resume")
        check_same(moved, unbroken, "the folder that was moved")


def check_forbidden_folder(unbroken):
    """A folder, of an ordinary user, that may be written to no more."""
    output = FOLDER / "forbidden"
    output.mkdir()
    who = {}
    if os.geteuid() == 0:
        os.chown(output, NOBODY, NOBODY)
        program = shutil.copy(PROGRAM, FOLDER / "limbeck")  # where anybody may run it
        who = {"user": NOBODY, "group": NOBODY, "extra_groups": [], "executable": program}
    line = distillation(output, epochs=30, save_every=0)
    status, complaint = with_change(line, output, lambda: output.chmod(0o555), **who)
    check_refusal([output, "Permission denied"], status, complaint, "a folder that may not be written to")
    fails([output, "Permission denied"], *line, "--resume", leaves=output, **who)
    output.chmod(0o000)
    if who:
        fails([output, "Permission denied"], *line, "--resume", **who)
    output.chmod(0o755)
    check((output / "checkpoint.safetensors").exists(), "the last state stays")
    done = run(*line, "--resume", **who)
    check(done.returncode == 0, f"the run goes on: {done.stderr}")
    check_same(output, unbroken, "the folder may be written to again")
    check(os.listdir(output).count(".limbeck.lock") == 0, "no lock stays")


def check_locks():
    """A lock is what the system holds, not the file: one of a dead process keeps nobody away, one that is a link is not
    followed."""
    output = FOLDER / "stale"
    output.mkdir()
    (output / ".limbeck.lock").write_text("1")
    succeeds("fine-tune", *from_scratch(words), *training_of(data, output, epochs=1))
    check(not (output / ".limbeck.lock").exists(), "a stale lock goes with the run")
    precious = FOLDER / "precious.txt"
    precious.write_text("precious")
    linked = FOLDER / "linked"
    linked.mkdir()
    (linked / ".limbeck.lock").symlink_to(precious)
    fails([linked, "locked"], "fine-tune", *from_scratch(words), *training_of(data, linked, epochs=1), leaves=linked)
    check(precious.read_text() == "precious", "a lock that is a link overwrites nothing")


# --- Standard output --------------------------------------------------------------------------------------------------

def check_output_that_is_full():
    lines = "a fine film\n" * 2000
    with open("/dev/full", "w") as full:
        for verb in (["predict", "--model", teacher], ["tokenize", "--vocab", words],
                     ["evaluate", "--model", teacher, *task_of(data), "--json"]):
            fails(["standard output", FULL], *verb, text=lines, stdout=full)


def check_streams_that_are_closed(unbroken):
    """The next file that is opened gets the number of a stream that is closed: what is printed must not get into it."""
    output = FOLDER / "closed"
    done = run(*distillation(output), preexec_fn=lambda: os.closerange(1, 3))
    check(done.returncode == 1, f"results that cannot be printed are a failure: {done.returncode}")
    check_same(output, unbroken, "streams that are closed")
    fails(["standard output", "Bad file"], "predict", "--model", teacher, text="a fine film\n", preexec_fn=lambda: os.close(1))


FOLDER.chmod(0o711)  # an ordinary user's run reads the data
words = make_vocabulary()
data = write_task(FOLDER / "data", train=160)
teacher = make_teacher(data, words)
for name, epochs, every in (("short", 3, 60), ("long", 30, 0)):
    succeeds(*distillation(FOLDER / name, epochs, every))
check_vanished_folder(FOLDER / "long")
check_forbidden_folder(FOLDER / "long")
check_locks()
check_output_that_is_full()
check_streams_that_are_closed(FOLDER / "short")
check_largest_size(FOLDER / "short")
if mount(FOLDER / "probe", 64 * KIB):
    check_disks_of_all_sizes(FOLDER / "short")
    check_places_without_room(FOLDER / "short")
    check_read_only_disk()
else:
    print("limbeck skipped in part: full disks: no right to mount a tmpfs")
finish()
