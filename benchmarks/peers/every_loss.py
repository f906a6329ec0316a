#!/usr/bin/env python3
"""Every loss, forward and backward to the student, as PyTorch eager, torch.compile and limbeck in turn, in one process.

usage: every_loss.py --library build/.../liblimbeck_peer_every_loss.so [--only NAME,...] [--rounds 15] [--budget SECONDS]
                     [--no-compile] [--quick] [--out FILE]

Needs PyTorch, and LIMBECK_REFERENCE_DIR, a folder with peerbench. Both sides have the same numbers, made by limbeck; each of our losses
is written here once more, as its formula in docs/losses.md stands, in the operations that PyTorch has for it. Value and
gradient of all sides are compared first with PyTorch's in float64: a gap of ours above 1e-4 ends the run. --quick: small
sizes. Writes JSON to FILE.
"""
import argparse
import ctypes
import math
import os
import sys

import torch
import torch.nn.functional as F

import peerbench


def soft(z, temperature=2.0):
    return F.log_softmax(z / temperature, -1)


def divergence(of):
    """T^2 times the divergence of softened rows at T = 2; of(log p, log p_t)."""
    return lambda s, t, y: 4 * of(soft(s), soft(t))


def kl(log_p, log_q):
    """KL(q || p)."""
    return F.kl_div(log_p, log_q, reduction="sum", log_target=True)


def mixture(log_p, log_t, share):
    """log of share p_t + (1 - share) p."""
    return torch.logaddexp(log_t + math.log(share), log_p + math.log1p(-share))


def jensen_shannon(log_p, log_t, beta=0.5):
    m = mixture(log_p, log_t, beta)
    return beta * kl(m, log_t) + (1 - beta) * kl(m, log_p)


def alpha_beta(log_p, log_t, a=0.3, b=0.6):
    both = (a * torch.exp((a + b) * log_t) + b * torch.exp((a + b) * log_p)) / (a + b)
    return -(torch.exp(a * log_t + b * log_p) - both).sum() / (a * b)


def keep_top_k(t):
    """What a teacher keeps of its logits: log-probabilities of the likeliest classes (of equal ones the first), which, and of the rest."""
    at = t.sort(dim=-1, descending=True, stable=True).indices[:, :min(32, (t.shape[1] + 1) // 2)]
    kept = soft(t).gather(-1, at)
    return kept, at, torch.log1p(-kept.exp().sum(-1))


def top_k_kl(s, t, y):
    kept, at, rest_t = t
    mine = soft(s).gather(-1, at)
    return 4 * (kl(mine, kept) + kl(torch.log1p(-mine.exp().sum(-1)), rest_t))


def standardised_mse(s, t, y):
    def standard(z):
        return (z - z.mean(-1, keepdim=True)) / z.std(-1, correction=0, keepdim=True)
    return F.mse_loss(standard(s), standard(t), reduction="sum")


def rest_of(z, y, temperature):
    """The distribution over the other classes, log: -infinity at the label."""
    return F.log_softmax((z / temperature).scatter(-1, y[:, None], -math.inf), -1)


def against_rest(log_p, log_t, y):
    """The binary KL of the label against all others, summed."""
    mine, theirs = (x.gather(-1, y[:, None]).squeeze(-1) for x in (log_p, log_t))
    return kl(mine, theirs) + kl(torch.log1p(-mine.exp()), torch.log1p(-theirs.exp()))


def other_classes(x, y):
    return x.masked_fill(F.one_hot(y, x.shape[-1]).bool(), 0.0)


def decoupled_kd(s, t, y):
    rest, rest_t = rest_of(s, y, 4.0), rest_of(t, y, 4.0)
    over_rest = (rest_t.exp() * other_classes(rest_t - rest, y).nan_to_num(0.0)).sum()
    return 16 * (against_rest(soft(s, 4.0), soft(t, 4.0), y) + 8 * over_rest)


def normalised_kd(s, t, y):
    at = y[:, None]
    label = (F.softmax(t, -1).gather(-1, at) * F.log_softmax(s, -1).gather(-1, at)).sum()
    rest, rest_t = rest_of(s, y, 2.0), rest_of(t, y, 2.0)
    return -(label + 1.5 * 4 * (rest_t.exp() * other_classes(rest, y)).sum())


def dist_kd(s, t, y):
    p, q = soft(s).exp(), soft(t).exp()

    def apart(a, b, dim):  # the epsilon is beside the product of the norms, as in the authors' code
        a, b = a - a.mean(dim, keepdim=True), b - b.mean(dim, keepdim=True)
        return 1 - (a * b).sum(dim) / (a.norm(dim=dim) * b.norm(dim=dim) + 1e-8)
    return 4 * (apart(p, q, 1).sum() + p.shape[0] * apart(p, q, 0).mean())


def margin_mse(s, t, y):
    def margins(z):
        return z.gather(-1, y[:, None]) - z
    return ((margins(s) - margins(t)) ** 2).sum() / (s.shape[1] - 1)


LOGITS = {
    "forward_kl": divergence(kl),
    "soft_label_cross_entropy": lambda s, t, y: -4 * (soft(t).exp() * soft(s)).sum(),
    "reverse_kl": divergence(lambda p, t: kl(t, p)),
    "jensen_shannon": divergence(jensen_shannon),
    "scaled_jensen_shannon": divergence(lambda p, t: 4 * jensen_shannon(p, t)),
    "skew_kl": divergence(lambda p, t: kl(mixture(p, t, 0.1), t)),
    "skew_reverse_kl": divergence(lambda p, t: kl(mixture(p, t, 0.9), p)),
    "total_variation": divergence(lambda p, t: (p.exp() - t.exp()).abs().sum() / 2),
    "squared_hellinger": divergence(lambda p, t: (((p / 2).exp() - (t / 2).exp()) ** 2).sum() / 2),
    "alpha_beta": divergence(alpha_beta),
    "cross_entropy": lambda s, t, y: F.cross_entropy(s, y, label_smoothing=0.1, reduction="sum"),
    "cross_entropy_and_kl": lambda s, t, y: 0.5 * F.cross_entropy(s, y, reduction="sum") + 2 * kl(soft(s), soft(t)),
    "top_k_kl": top_k_kl,
    "logits_mse": lambda s, t, y: F.mse_loss(s, t, reduction="sum"),
    "standardised_logits_mse": standardised_mse,
    "decoupled_kd": decoupled_kd,
    "normalised_kd": normalised_kd,
    "dist_kd": dist_kd,
    "margin_mse": margin_mse,
}


# What is made of the teacher's numbers beforehand.
KEPT = {"top_k_kl": keep_top_k}


# States: [1, samples, tokens, width].
def hidden_mse(s, t, y):
    return F.mse_loss(s, t, reduction="sum") / t.shape[-1]


def cosine_loss(s, t, y):
    return (1 - F.cosine_similarity(s, t, dim=-1)).sum()


STATES = {"hidden_mse": hidden_mse, "embedding_mse": hidden_mse, "cosine_loss": cosine_loss}


# Vectors: the same of one token a sample.
def vectors(x):
    return x.reshape(x.shape[1], x.shape[3])


def patience(s, t, y):
    return ((F.normalize(vectors(s), dim=-1) - F.normalize(vectors(t), dim=-1)) ** 2).sum()


def huber(x, y):
    return F.huber_loss(x, y, reduction="sum")


def relational_distance(s, t, y):
    def relative(x):
        squares = (x * x).sum(-1)
        apart = ~torch.eye(len(x), dtype=torch.bool)
        d = (squares[:, None] + squares - 2 * x @ x.T)[apart].clamp_min(1e-12).sqrt()
        return d / d.mean()
    return huber(relative(vectors(s)), relative(vectors(t))) / s.shape[1]


def relational_angle(s, t, y):
    def angles(x):
        e = F.normalize(x[None] - x[:, None], dim=-1)
        return e @ e.transpose(1, 2)
    return huber(angles(vectors(s)), angles(vectors(t))) / s.shape[1] ** 2


def cosines(s, t):
    return F.normalize(vectors(s), dim=-1), F.normalize(vectors(t), dim=-1)


def info_nce(s, t, y):
    mine, theirs = cosines(s, t)
    return F.cross_entropy(mine @ theirs.T / 0.1, torch.arange(len(mine)), reduction="sum")


NEGATIVES = 64


def contrastive_nce(s, t, y):
    mine, theirs = cosines(s, t)
    n = len(mine)
    others = (torch.arange(n)[:, None] + 1 + 7 * torch.arange(NEGATIVES)) % n
    log_noise = math.log(NEGATIVES / (4 * n))
    own = (mine * theirs).sum(-1) / 0.5 - log_noise
    noise = torch.einsum("nd,nkd->nk", mine, theirs[others]) / 0.5 - log_noise
    return F.softplus(-own).sum() + F.softplus(noise).sum()


VECTORS = {"patience": patience, "relational_distance": relational_distance, "relational_angle": relational_angle,
           "info_nce": info_nce, "contrastive_nce": contrastive_nce}

# Relations: queries, keys and values, [3, samples, tokens, width]; 12 heads.
HEADS = 12


def relation(s, t):
    def log_relation(x):
        heads = x.unflatten(-1, (HEADS, -1)).transpose(1, 2)
        return F.log_softmax(heads @ heads.transpose(-1, -2) / math.sqrt(heads.shape[-1]), -1)
    return kl(log_relation(s), log_relation(t)) / HEADS


RELATIONS = {"minilm_relations": lambda s, t, y: sum(relation(s[i], t[i]) for i in range(3)),
             "value_relation": lambda s, t, y: relation(s[2], t[2])}

# Maps: scores of attention [samples, heads, tokens, tokens].
MAPS = {"attention_mse": lambda s, t, y: F.mse_loss(s, t, reduction="sum") / s.shape[1],
        "attention_kl": lambda s, t, y: kl(F.log_softmax(s, -1), F.log_softmax(t, -1)) / s.shape[1]}

# Of each kind: its losses, sizes, small ones, and the shapes of the student's and the teacher's numbers.
KINDS = {
    "logits": (LOGITS, [(4096, 512), (64, 32768)], [(8, 600)], lambda n: ((n[0], n[1]), (n[0], n[1]))),
    "states": (STATES, [(32, 128, 768, 768)], [(2, 5, 48, 48)], lambda n: ((1, *n[:3]), (1, n[0], n[1], n[3]))),
    "vectors": (VECTORS, [(64, 1, 768, 768)], [(9, 1, 24, 24)], lambda n: ((1, *n[:3]), (1, n[0], n[1], n[3]))),
    "relations": (RELATIONS, [(32, 128, 384, 768)], [(2, 5, 24, 48)], lambda n: ((3, *n[:3]), (3, n[0], n[1], n[3]))),
    "maps": (MAPS, [(32, 12, 128)], [(2, 3, 7)], lambda n: ((n[0], n[1], n[2], n[2]),) * 2),
}


class Ours:
    """A batch of limbeck's, seen as tensors."""

    def __init__(self, library, kind, name, sizes):
        self.library = library
        self.made = library.every_loss_make(kind.encode(), name.encode(), (ctypes.c_int64 * 4)(*sizes))
        if not self.made:
            sys.exit(f"the library has no loss {name} on {kind}")
        pointers = [ctypes.c_void_p() for _ in range(4)]
        library.every_loss_memory(ctypes.c_void_p(self.made), *map(ctypes.byref, pointers))
        of_student, of_teacher = KINDS[kind][3](sizes)

        def seen(pointer, shape, number=ctypes.c_float):
            return torch.frombuffer((number * math.prod(shape)).from_address(pointer.value),
                                    dtype=torch.int32 if number is ctypes.c_int32 else torch.float32).reshape(shape)
        self.student, self.teacher, self.gradient = (seen(p, shape) for p, shape in
                                                     zip(pointers, (of_student, of_teacher, of_student)))
        self.labels = seen(pointers[3], sizes[:1], ctypes.c_int32).long() if pointers[3].value else None

    def __call__(self):
        return self.library.every_loss_run(ctypes.c_void_p(self.made))

    def free(self):
        self.library.every_loss_free(ctypes.c_void_p(self.made))


class Theirs:
    """Called, it leaves a fresh gradient in the leaf, as loss.backward() does."""

    def __init__(self, name, function, ours, compiled=False, dtype=torch.float32):
        if compiled:
            torch._dynamo.reset()
        self.function = torch.compile(function, dynamic=False) if compiled else function
        self.leaf = ours.student.to(dtype, copy=True).requires_grad_()
        teacher = ours.teacher.to(dtype, copy=True)
        self.others = (KEPT[name](teacher) if name in KEPT else teacher, ours.labels)

    def __call__(self):
        self.leaf.grad = None
        loss = self.function(self.leaf, *self.others)
        loss.backward()
        return loss.item()


class Exact:
    """Value and gradient of PyTorch in float64."""

    def __init__(self, name, function, ours):
        side = Theirs(name, function, ours, dtype=torch.float64)
        self.value, self.gradient = side(), side.leaf.grad

    def errors(self, value, gradient):
        return peerbench.errors(value, [gradient], self.value, [self.gradient])

    def errors_of(self, ours):
        return self.errors(ours(), ours.gradient)


def loaded(path):
    library = ctypes.CDLL(os.path.abspath(path))
    library.every_loss_make.restype = ctypes.c_void_p
    library.every_loss_run.restype = ctypes.c_double
    return library


def case(library, kind, name, sizes, arguments):
    function = KINDS[kind][0][name]
    ours = Ours(library, kind, name, sizes)
    exact = Exact(name, function, ours)
    sides = {"eager": Theirs(name, function, ours)}
    if not arguments.no_compile:
        sides["compiled"] = Theirs(name, function, ours, compiled=True)
    told = {side: exact.errors(run(), run.leaf.grad) for side, run in sides.items()}
    told["fused"] = exact.errors_of(ours)
    if not all(error <= 1e-4 for error in told["fused"]):  # NaN is no agreement
        sys.exit(f"{name} {sizes}: relative errors of value and gradient {told['fused']}")
    summary = peerbench.timed({**sides, "fused": ours}, arguments.rounds, 3, arguments.budget)
    ours.free()
    print(f"{name:24s} {str(list(sizes)):22s} " + "  ".join(f"{side} {of['median_ms']:.3f} ms" for side, of in summary.items())
          + f"  x{summary['fused']['speedup_vs_eager']:.2f}, error of the gradient {told['fused'][1]:.0e}", flush=True)
    return {"case": name, "shape": list(sizes), "t": summary, "relative_errors": told}


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--library", required=True)
    parser.add_argument("--only", default="")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--budget", type=float, default=3)
    parser.add_argument("--no-compile", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out")
    arguments = parser.parse_args()
    library = loaded(arguments.library)
    wanted = set(arguments.only.split(",")) - {""}
    rows = [case(library, kind, name, sizes, arguments)
            for kind, (losses, large, small, _) in KINDS.items() for name in losses if not wanted or name in wanted
            for sizes in (small if arguments.quick else large)]
    peerbench.common("dump")("every_loss", rows, arguments.out)


if __name__ == "__main__":
    main()
