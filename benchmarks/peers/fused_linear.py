#!/usr/bin/env python3
"""Soft KL through the last linear map of student and teacher, forward and backward to hidden states and weight: PyTorch eager,
torch.compile and limbeck in turn, in one process, and the memory that each takes.

usage: fused_linear.py --library build/.../liblimbeck_peer_fused_linear.so [--shape ROWS WIDTH CLASSES] [--teacher-width WIDTH]
                       [--rows-at-once 240] [--rounds 5] [--budget SECONDS] [--no-compile] [--no-memory] [--out FILE]

Needs PyTorch, and LIMBECK_REFERENCE_DIR, a folder with peerbench. The shape is 2048 768 30522 where none is given; the teacher is as
wide as the student. Value and gradients of all sides are compared first. Memory is the largest resident memory during a second call
less that before it, less the two gradients where the call made them anew; each side has a process of its own, with PyTorch as it is
installed. limbeck's workspace is made in that call, and counts. Writes JSON to FILE.
"""
import argparse
import ctypes
import json
import os
import subprocess
import sys

import torch
import torch.nn.functional as F

import peerbench

TEMPERATURE = 2.0


def kl(hidden, weight, teacher_hidden, teacher_weight):
    student = F.log_softmax(F.linear(hidden, weight) / TEMPERATURE, -1)
    with torch.no_grad():
        teacher = F.softmax(F.linear(teacher_hidden, teacher_weight) / TEMPERATURE, -1)
    return F.kl_div(student, teacher, reduction="batchmean") * TEMPERATURE**2


class Case:
    """Hidden states [rows, width] and weights [classes, width] of both models; logits of a standard deviation of about 3."""

    def __init__(self, rows, width, classes, teacher_width):
        torch.manual_seed(0)
        self.inputs = [torch.randn(rows, width), torch.randn(classes, width) * 3 / width**0.5,
                       torch.randn(rows, teacher_width), torch.randn(classes, teacher_width) * 3 / teacher_width**0.5]
        self.hidden, self.weight = (x.requires_grad_() for x in self.inputs[:2])

    def gradient_bytes(self):
        return 4 * (self.hidden.numel() + self.weight.numel())


class Theirs:
    """Called, it leaves fresh gradients in the leaves, as loss.backward() does."""

    makes_gradients = True

    def __init__(self, case, compiled):
        self.case = case
        self.function = torch.compile(kl, dynamic=False) if compiled else kl

    def __call__(self):
        self.case.hidden.grad = self.case.weight.grad = None
        loss = self.function(*self.case.inputs)
        loss.backward()
        return loss.item()

    def gradients(self):
        return self.case.hidden.grad, self.case.weight.grad


class Ours:
    makes_gradients = False

    def __init__(self, case, library, rows_at_once):
        self.library = ctypes.CDLL(os.path.abspath(library))
        self.library.fused_linear_room.restype = ctypes.c_int64
        self.case = case
        rows, width = case.hidden.shape
        classes, teacher_width = case.inputs[3].shape
        self.sizes = [ctypes.c_int64(n) for n in (rows, width, teacher_width, classes)]
        self.room_count = min(rows, rows_at_once) * self.library.fused_linear_room(*self.sizes[1:])
        self.room = None
        self.made = [torch.zeros(case.hidden.shape), torch.zeros(case.weight.shape)]

    def __call__(self):
        if self.room is None:
            self.room = torch.empty(self.room_count)
        loss = ctypes.c_double()
        arrays = [ctypes.c_void_p(x.data_ptr()) for x in (*self.case.inputs, *self.made, self.room)]
        self.library.fused_linear_kl(*arrays, *self.sizes, ctypes.c_int64(self.room_count), ctypes.c_float(TEMPERATURE),
                                     ctypes.byref(loss))
        return loss.value

    def forget_room(self):
        self.room = None

    def gradients(self):
        return self.made


def resident_bytes(field):
    with open("/proc/self/status", encoding="ascii") as status:
        return next(1024 * int(line.split()[1]) for line in status if line.startswith(field))


def extra_bytes(side, case):
    """Beyond inputs and gradients, in a call that is not the first."""
    side()
    if isinstance(side, Ours):
        side.forget_room()
    case.hidden.grad = case.weight.grad = None
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/clear_refs", "w", encoding="ascii") as peak:
        peak.write("5")  # VmHWM starts anew
    before = resident_bytes("VmRSS")
    side()
    return resident_bytes("VmHWM") - before - (case.gradient_bytes() if side.makes_gradients else 0)


def memory(arguments, name):
    """In a process of its own, whose allocator gives back what it is not asked to keep."""
    environment = {name: value for name, value in os.environ.items() if name != "GLIBC_TUNABLES"}
    command = [sys.executable, *sys.argv, "--child", name]
    ran = subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE, text=True)
    return json.loads(ran.stdout.strip().split("\n")[-1])


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--library", required=True)
    parser.add_argument("--shape", type=int, nargs=3, default=(2048, 768, 30522))
    parser.add_argument("--teacher-width", type=int)
    parser.add_argument("--rows-at-once", type=int, default=240)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--budget", type=float, default=120)
    parser.add_argument("--no-compile", action="store_true")
    parser.add_argument("--no-memory", action="store_true")
    parser.add_argument("--out")
    parser.add_argument("--child", choices=("eager", "compiled", "fused"), help=argparse.SUPPRESS)
    a = parser.parse_args()
    case = Case(*a.shape, a.teacher_width or a.shape[1])
    makers = {"eager": lambda: Theirs(case, compiled=False), "compiled": lambda: Theirs(case, compiled=True),
              "fused": lambda: Ours(case, a.library, a.rows_at_once)}
    if a.no_compile:
        del makers["compiled"]
    if a.child:
        print(json.dumps(extra_bytes(makers[a.child](), case)))
        return
    sides = {name: make() for name, make in makers.items()}
    expected = sides["eager"]()
    of = [g.clone() for g in sides["eager"].gradients()]
    wrong = {name: peerbench.errors(side(), side.gradients(), expected, of) for name, side in sides.items() if name != "eager"}
    for name, (value, gradient) in wrong.items():
        print(f"{name}: relative error of the value {value:.1e}, of the gradients {gradient:.1e}")
        if max(value, gradient) > 1e-3:
            sys.exit(f"{name} differs from autograd")
    told = peerbench.timed(sides, a.rounds, 1, a.budget)
    row = {"case": "fused_linear_kl", "shape": list(a.shape), "rel_err_loss_grad": wrong["fused"], "t": told}
    if not a.no_memory:
        row["extra_bytes"] = {name: memory(a, name) for name in makers}
    for name, t in told.items():
        extra = f"  {row['extra_bytes'][name] / 2**20:8.1f} MiB beside inputs and gradients" if "extra_bytes" in row else ""
        print(f"{name:10} {t['median_ms']:8.0f} ms  {t.get('speedup_vs_compiled', t['speedup_vs_eager']):5.2f}{extra}")
    peerbench.common("dump")("fused_linear", [row], a.out)


if __name__ == "__main__":
    main()
