#!/usr/bin/env python3
"""PyTorch's side of cuda_measure: the same kernels and steps, eager and compiled, on the same machine.

usage: peers.py [--quick] > peers.jsonl

One JSON object a line, as cuda_measure writes. Ends with 77, saying so, where there is no PyTorch or no device (--quick takes the
processor). Liger-Kernel's losses run too where it is installed.
"""
import json
import statistics
import sys
import time

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    print("peers: no PyTorch", file=sys.stderr)
    sys.exit(77)

QUICK = "--quick" in sys.argv[1:]
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
LENGTHS = [3, 4] if QUICK else [32 + i * 37 % 96 for i in range(64)]


def milliseconds(work, rounds):
    """The median of what work() takes, after three that do not count."""
    took = []
    for _ in range(rounds + 3):
        if DEVICE == "cuda":
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
            work()
            end.record()
            end.synchronize()
            took.append(begin.elapsed_time(end))
        else:
            at = time.perf_counter()
            work()
            took.append(1000 * (time.perf_counter() - at))
    return statistics.median(took[3:])


def tell(**what):
    print(json.dumps(what), flush=True)


def soft(z, temperature=2.0):
    return F.log_softmax(z.float() / temperature, -1)


def forward_kl(s, t, _):
    return 4 * F.kl_div(soft(s), soft(t), reduction="batchmean", log_target=True)


def reverse_kl(s, t, _):
    return 4 * F.kl_div(soft(t), soft(s), reduction="batchmean", log_target=True)


def jensen_shannon(s, t, _):
    p, q = soft(s, 1.0), soft(t, 1.0)
    m = torch.logaddexp(p, q) - 0.6931471805599453
    return (F.kl_div(m, p, reduction="batchmean", log_target=True) + F.kl_div(m, q, reduction="batchmean", log_target=True)) / 2


def cross_entropy(s, _, y):
    return F.cross_entropy(s.float(), y)


def kernels():
    losses = {"forward_kl": forward_kl, "reverse_kl": reverse_kl, "jensen_shannon": jensen_shannon, "cross_entropy": cross_entropy}
    sizes = [(4, 16)] if QUICK else [(1 << 17, 2048), (8192, 32768), (8192, 128256)]
    for name, loss in losses.items():
        for rows, classes in sizes:
            student = (torch.rand(rows, classes, device=DEVICE) * 8 - 4).bfloat16().requires_grad_()
            teacher = (torch.rand(rows, classes, device=DEVICE) * 8 - 4).bfloat16()
            labels = torch.zeros(rows, dtype=torch.long, device=DEVICE)
            for how in ("eager",) if QUICK else ("eager", "compiled"):
                call = loss if how == "eager" else torch.compile(loss)

                def step():
                    student.grad = None
                    call(student, teacher, labels).backward()

                tell(what="kernel", side=f"PyTorch {how}", loss=name, type="bfloat16", rows=rows, classes=classes,
                     ms=milliseconds(step, 1 if QUICK else 20))
            del student, teacher


class Layer(torch.nn.Module):
    """A transformer layer that gives its scores; after each sum a norm, or before (causal)."""

    def __init__(self, width, heads, inner, causal):
        super().__init__()
        self.heads, self.causal = heads, causal
        self.qkv, self.out = torch.nn.Linear(width, 3 * width), torch.nn.Linear(width, width)
        self.up, self.down = torch.nn.Linear(width, inner), torch.nn.Linear(inner, width)
        self.first, self.second = torch.nn.LayerNorm(width), torch.nn.LayerNorm(width)
        self.drop = torch.nn.Dropout(0.1)

    def attend(self, x, mask, scored):
        batch, length, width = x.shape
        q, k, v = self.qkv(x).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        if not scored:
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=self.causal,
                                               dropout_p=0.1 if self.training else 0.0)
            return self.out(y.transpose(1, 2).reshape(batch, length, width)), None
        scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
        p = self.drop((scores if mask is None else scores.masked_fill(~mask, float("-inf"))).softmax(-1))
        return self.out((p @ v).transpose(1, 2).reshape(batch, length, width)), scores

    def forward(self, x, mask, scored):
        if self.causal:
            y, scores = self.attend(self.first(x), mask, scored)
            x = x + self.drop(y)
            return x + self.drop(self.down(F.gelu(self.up(self.second(x)), approximate="tanh"))), scores
        y, scores = self.attend(x, mask, scored)
        x = self.first(x + self.drop(y))
        return self.second(x + self.drop(self.down(F.gelu(self.up(x))))), scores


class Stack(torch.nn.Module):
    def __init__(self, vocabulary, layers, width, heads, inner, causal=False):
        super().__init__()
        self.causal = causal
        self.words, self.places = torch.nn.Embedding(vocabulary, width), torch.nn.Embedding(1024, width)
        self.norm = torch.nn.LayerNorm(width)
        self.layers = torch.nn.ModuleList(Layer(width, heads, inner, causal) for _ in range(layers))
        self.head = None if causal else torch.nn.Linear(width, 2)

    def forward(self, ids, mask, scored):
        x = self.words(ids) + self.places(torch.arange(ids.shape[1], device=ids.device))
        x = x if self.causal else self.norm(x)
        hidden, maps = [x], []
        for layer in self.layers:
            x, scores = layer(x, mask, scored)
            hidden.append(x)
            maps.append(scores)
        logits = self.norm(x) @ self.words.weight.T if self.causal else self.head(x[:, 0])
        return logits, hidden, maps


def bert_goal(seen, shown, projection, mask, valid, labels):
    """As limbeck's: maps and states of valid tokens, layer l of the student from where uniform mapping puts it."""
    (logits, hidden, maps), (their_logits, their_hidden, their_maps) = seen, shown
    loss = 0.5 * forward_kl(logits, their_logits, None) + 0.5 * F.cross_entropy(logits, labels)
    tokens = valid.sum()
    pairs = (valid[:, :, None] & valid[:, None, :]).sum()
    for l, scores in enumerate(maps):
        of = (l + 1) * len(their_maps) // len(maps) - 1
        both = mask & valid[:, None, :, None]
        loss = loss + ((scores - their_maps[of]).masked_fill(~both, 0) ** 2).sum() / (pairs * scores.shape[1])
        gap = projection(hidden[l + 1]) - their_hidden[of + 1]
        loss = loss + (gap.masked_fill(~valid[:, :, None], 0) ** 2).mean(-1).sum() / tokens
    gap = projection(hidden[0]) - their_hidden[0]
    return loss + (gap.masked_fill(~valid[:, :, None], 0) ** 2).mean(-1).sum() / tokens


def step(name, teacher, student, ids, mask, goal, autocast, how, tokens):
    projection = torch.nn.Linear(student.norm.weight.shape[0], teacher.norm.weight.shape[0], bias=False).to(DEVICE)
    parameters = [*student.parameters(), *projection.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=1e-5, fused=DEVICE == "cuda")
    scored = name == "bert"
    teacher.eval()

    def loss_of():
        with torch.autocast(DEVICE, torch.bfloat16, enabled=autocast):
            with torch.no_grad():
                shown = teacher(ids, mask, scored)
            return goal(student(ids, mask, scored), shown, projection)

    call = torch.compile(loss_of) if how == "compiled" else loss_of

    def work():
        optimiser.zero_grad(set_to_none=True)
        call().backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()

    ms = milliseconds(work, 1 if QUICK else 20)
    tell(what="step", side=f"PyTorch {how}", model=name, products="bfloat16" if autocast else "tf32", tokens=tokens, ms=ms,
         tokens_per_second=1000 * tokens / ms)


def steps():
    torch.set_float32_matmul_precision("high")  # TF32
    length = max(LENGTHS)
    ids = torch.randint(1000, 30000, (len(LENGTHS), length), device=DEVICE)
    valid = torch.arange(length, device=DEVICE)[None] < torch.tensor(LENGTHS, device=DEVICE)[:, None]
    labels = torch.zeros(len(LENGTHS), dtype=torch.long, device=DEVICE)
    mask = valid[:, None, None, :]
    sizes = ((2, 24, 2, 32), (1, 12, 2, 16)) if QUICK else ((6, 384, 12, 1536), (4, 312, 12, 1200))
    samples, long, of_gpt2 = (2, 4, (1, 8, 2, 8)) if QUICK else (8, 512, (12, 768, 12, 3072))
    causal_ids = torch.randint(0, 50257, (samples, long), device=DEVICE)

    def causal_goal(seen, shown, _):
        z, zt = seen[0].flatten(0, 1), shown[0].flatten(0, 1)
        return 0.5 * forward_kl(z, zt, None) + 0.5 * F.cross_entropy(z.float(), torch.zeros(len(z), dtype=torch.long, device=DEVICE))

    for how in ("eager",) if QUICK else ("eager", "compiled"):
        for autocast in (False, True):
            teacher, student = (Stack(30522, *of).to(DEVICE) for of in sizes)
            step("bert", teacher, student, ids, mask, lambda a, b, p: bert_goal(a, b, p, mask, valid, labels), autocast, how,
                 sum(LENGTHS))
            teacher, student = (Stack(50257, *of_gpt2, causal=True).to(DEVICE) for _ in range(2))
            step("gpt2", teacher, student, causal_ids, None, causal_goal, autocast, how, samples * long)


def fused():
    """Jensen-Shannon divergence behind the last linear maps of both models, where all logits exist; and Liger-Kernel's, which slices."""
    rows, classes, width = (24, 300, 8) if QUICK else (8192, 128256, 4096)
    number = lambda *shape: (torch.rand(*shape, device=DEVICE) * 8 - 4).bfloat16()
    hidden, weight = number(rows, width).requires_grad_(), number(classes, width).requires_grad_()
    shown, their_weight = number(rows, width), number(classes, width)

    def plain(h, w, ht, wt):
        return jensen_shannon(h @ w.T, ht @ wt.T, None)

    sides = {"PyTorch eager": plain}
    if not QUICK:
        sides["PyTorch compiled"] = torch.compile(plain)
    try:
        from liger_kernel.transformers.functional import liger_fused_linear_jsd
        sides["Liger-Kernel"] = liger_fused_linear_jsd
    except ImportError:
        pass
    for side, call in sides.items():

        def step():
            hidden.grad = weight.grad = None
            call(hidden, weight, shown, their_weight).backward()

        try:
            step()  # the gradients are there from now on, as ours are
            before = torch.cuda.memory_allocated() if DEVICE == "cuda" else 0
            if DEVICE == "cuda":
                torch.cuda.reset_peak_memory_stats()
            ms = milliseconds(step, 1 if QUICK else 10)
            after = torch.cuda.max_memory_allocated() if DEVICE == "cuda" else 0
        except torch.cuda.OutOfMemoryError:
            print(f"peers: {side} has not enough memory for the fused loss", file=sys.stderr)
            continue
        tell(what="fused", side=side, loss="jensen_shannon", rows=rows, classes=classes, width=width, ms=ms, bytes=after - before)


def liger():
    """Its fused Jensen-Shannon divergence at the size it publishes, if it is installed."""
    try:
        from liger_kernel.transformers.functional import liger_jsd, liger_kl_div
    except ImportError:
        return
    for name, call, rows, classes in (("jensen_shannon", lambda s, t: liger_jsd(s, t), 8192, 128256),
                                      ("forward_kl", lambda s, t: liger_kl_div(s, t, "batchmean", True), 16384, 131072)):
        student = torch.rand(rows, classes, device=DEVICE).log_softmax(-1).requires_grad_()
        teacher = torch.rand(rows, classes, device=DEVICE).log_softmax(-1)

        def work():
            student.grad = None
            call(student, teacher).backward()

        tell(what="kernel", side="Liger-Kernel", loss=name, type="float", rows=rows, classes=classes, ms=milliseconds(work, 20))
        del student, teacher


if __name__ == "__main__":
    if DEVICE == "cpu" and not QUICK:
        print("peers: no CUDA device", file=sys.stderr)
        sys.exit(77)
    kernels()
    fused()
    steps()
    if not QUICK:
        liger()
