"""The table and the plot of what run.py measured."""
import math
import statistics

import drawing

UNITS = {"ms": "{:.3g} ms", "s": "{:.2f} s", "samples/s": "{:.1f} samples/s", "GFLOP/s": "{:.0f} GFLOP/s", "MB/s": "{:.1f} MB/s",
         "MiB": "{:.0f} MiB"}


def row(group, case, peer, theirs, ours, unit, times, limit=None, part=None):
    """`times`: how many times better limbeck is. `limit`: what `part` is a share of."""
    return {"group": group, "case": case, "peer": peer, "theirs": UNITS[unit].format(theirs), "ours": UNITS[unit].format(ours),
            "times": times, "limit": f"{100 * part:.0f} % of {limit}" if part else ""}


def words(name):
    return name.replace("_", " ")


def step_rows(found):
    configurations = {r["config"]: r for r in found["rows"] if "config" in r}
    limits = found["rows"][-1]
    theirs = {n: r for n, r in configurations.items() if n.startswith(("eager", "compiled"))}
    kinds = {"float32": lambda n: "fp32" in n and "cached" not in n,
             "float32, padded to the longest": "eager_fp32_longest".__eq__,
             "bf16": lambda n: "bf16" in n and "cached" not in n, "teacher stored": lambda n: "cached" in n}
    for name, r in configurations.items():
        if name in theirs:
            continue
        for kind, fits in kinds.items():
            rivals = [n for n in theirs if fits(n)]
            if not rivals or ("cached" in name) != (kind == "teacher stored"):
                continue
            best = max(rivals, key=lambda n: theirs[n]["samples_per_s"])
            narrow = "bf16" in name and limits["bfloat16_gflops"] > 0
            limit, peak = ("bfloat16", limits["bfloat16_gflops"]) if narrow else ("multiply-adds", limits["multiply_add_gflops"])
            yield row("Distillation step", f"{words(name.replace('_cached', ''))} against {kind}", words(best),
                      theirs[best]["samples_per_s"], r["samples_per_s"], "samples/s",
                      r["samples_per_s"] / theirs[best]["samples_per_s"], limit, r["useful_gflops"] / peak)


LOSSES = {"kl_soft": "soft KL", "jsd": "Jensen-Shannon", "ce+kl": "cross-entropy and soft KL", "w_ce+kl": "the same, weighted rows",
          "attn_mse_full": "attention MSE", "attn_mse_sst_len": "attention MSE, short samples",
          "hid_mse+proj": "hidden MSE, projected", "cosine": "cosine of states",
          "relation_qkv_full": "three MiniLM relations", "relation_qkv_sst_len": "three MiniLM relations, short samples"}


def loss_rows(found):
    for r in found["rows"]:
        times, ours = r["t"], next(n for n in r["t"] if n.startswith("fused"))
        best = min((n for n in ("eager", "compiled") if n in times), key=lambda n: times[n]["median_ms"])
        yield row("Losses, forward and backward", f"{LOSSES[r['case']]} {r['shape']}".replace("'", ""), best,
                  times[best]["median_ms"], times[ours]["median_ms"], "ms", times[ours][f"speedup_vs_{best}"], "a triad",
                  times[ours].get("fraction_of_probe"))


def every_loss_rows(found):
    for r in found["rows"]:
        times = r["t"]
        best = min((n for n in ("eager", "compiled") if n in times), key=lambda n: times[n]["median_ms"])
        yield row("Every loss", f"{words(r['case'])} {r['shape']}", best, times[best]["median_ms"], times["fused"]["median_ms"], "ms",
                  times["fused"][f"speedup_vs_{best}"])


def fused_linear_rows(found):
    for r in found["rows"]:
        group, case, times = "Soft KL through the last linear map", f"of {r['shape']}", r["t"]
        best = min((n for n in times if n != "fused"), key=lambda n: times[n]["median_ms"])
        yield row(group, f"time {case}", best, times[best]["median_ms"] / 1e3, times["fused"]["median_ms"] / 1e3, "s",
                  times["fused"][f"speedup_vs_{best}"])
        if "extra_bytes" in r:
            extra = {n: b / 2**20 for n, b in r["extra_bytes"].items()}
            least = min((n for n in extra if n != "fused"), key=extra.get)
            yield row(group, f"memory {case}", least, extra[least], extra["fused"], "MiB", extra[least] / extra["fused"])


def adamw_rows(found):
    for r in found["rows"]:
        times = r["t"]
        best = min((n for n in times if not n.startswith(("cpp", "probe"))), key=lambda n: times[n]["median_ms"])
        ours = times["cpp_flat"]["median_ms"]
        yield row("AdamW", f"{r['params']:,} parameters", best, times[best]["median_ms"], ours, "ms",
                  times[best]["median_ms"] / ours, "its traffic", times["probe_traffic"]["median_ms"] / ours)


def product_rows(found):
    kinds = {"fp32": "a b", "nt": "a b'", "tn": "a' b"}
    for kind, formula in kinds.items():
        rates = [r["gflops"] for r in found["rows"] if r["kind"] == kind]
        for name in sorted(n for n in rates[0] if n.startswith("limbeck")):
            theirs, ours = (statistics.geometric_mean(r[n] for r in rates) for n in ("torch", name))
            yield row("Products, float32", f"{formula}, {len(rates)} shapes, {words(name)}", "torch.matmul", theirs, ours,
                      "GFLOP/s", ours / theirs)


def tokeniser_rows(found):
    for r in found["rows"]:
        yield row("Tokeniser, one thread", f"{r['text']}, {r['MB']:.1f} MB", "tokenizers " + found["version"],
                  r["tokenizers_MB/s"], r["limbeck_MB/s"], "MB/s", r["ratio"])


def memory_rows(found):
    theirs = [r for r in found["rows"] if not r["config"].startswith("limbeck")]
    for r in found["rows"]:
        stored = "cached" in r["config"]
        rivals = [t for t in theirs if ("cached" in t["config"]) == stored]
        if r in theirs or not rivals:
            continue
        best = min(rivals, key=lambda t: t["excess_MiB"])
        yield row("Memory of a step beyond its parameters", "teacher stored" if stored else "teacher runs", words(best["config"]),
                  best["excess_MiB"], r["excess_MiB"], "MiB", best["excess_MiB"] / r["excess_MiB"])


KINDS = {"step": step_rows, "losses": loss_rows, "every_loss": every_loss_rows, "fused_linear": fused_linear_rows, "adamw": adamw_rows,
         "products": product_rows, "tokeniser": tokeniser_rows, "memory": memory_rows}


def rows(found):
    return [r for name, of in KINDS.items() if name in found for r in of(found[name])]


def table(of):
    lines = ["| | the best of theirs | theirs | limbeck | times better | of the limit |",
             "| --- | --- | ---: | ---: | ---: | ---: |"]
    group = None
    for r in of:
        if r["group"] != group:
            group = r["group"]
            lines.append(f"| **{group}** | | | | | |")
        lines.append(f"| {r['case']} | {r['peer']} | {r['theirs']} | {r['ours']} | {r['times']:.2f} | {r['limit']} |")
    return "\n".join(lines) + "\n"


def vectors(flags):
    """The widest that the processor has, and whether it multiplies bfloat16."""
    wide = "AVX-512" if "avx512f" in flags else "AVX2" if "avx2" in flags else "SSE2"
    return wide + ("" if {"avx512_bf16", "amx_bf16"}.isdisjoint(flags) else " with bfloat16")


def page(found, of):
    machines = [f["machine"] for f in found.values() if "machine" in f]
    told = "".join(f"{m['cpu']}, {m['threads']} threads, PyTorch {m['torch']}, {vectors(m['isa'])}.\n" for m in machines[:1])
    return f"""# limbeck beside its peers

Written by `benchmarks/peers/run.py`, whose head says how to run it again; the table is of its last run. Both sides run in turn
in one process, on the same data and as many threads; of each peer the quickest configuration counts.
{told}
![How many times better limbeck is](peers.svg)

{table(of)}
A step is one of `train_step.py` of peerbench; its limit is that of multiply-adds in registers, of bfloat16 that of vectors' dot
products. Losses give a fresh gradient, as PyTorch's do; their limit is a triad over buffers of the same sizes, where these are
larger than caches. Memory is the largest resident memory less interpreter, libraries, weights, gradients and moments; of the
linear map, what a call takes beside states, weights and their gradients.
"""


def plot(of):
    """Bars on a logarithmic axis that starts at the peer: to the right limbeck is better."""
    height, left, width, top = 18, 430, 420, 34
    reach = max([2.0, *(max(r["times"], 1 / r["times"]) for r in of)])
    low = min([1.0, *(r["times"] for r in of)])
    span = math.log(reach) - math.log(low)

    def at(times):
        return left + width * (math.log(times) - math.log(low)) / span

    parts, y, group = [], top, None
    for r in of:
        if r["group"] != group:
            group = r["group"]
            parts.append(drawing.text(8, y + 13, group, font_weight="bold"))
            y += height
        start, end = sorted((at(1), at(r["times"])))
        colour = "#2a7f62" if r["times"] >= 1 else "#b5543c"
        parts.append(drawing.text(left - 8, y + 13, r["case"], text_anchor="end")
                     + f'<rect x="{start:.1f}" y="{y + 3}" width="{end - start:.1f}" height="12" fill="{colour}"/>'
                     + drawing.text(round(max(end, at(1)) + 5, 1), y + 13, f"{r['times']:.2f}"))
        y += height
    ticks = [t for t in (0.125, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024) if low <= t <= reach]
    for t in ticks:
        ink = "#444" if t == 1 else "#ddd"
        parts.insert(0, drawing.line(at(t), top - 6, at(t), y, ink)
                     + drawing.text(round(at(t), 1), top - 10, f"{t:g}", text_anchor="middle", fill="#666"))
    return drawing.page(left + width + 60, y + 10, "How many times better limbeck is than the best of its peers", parts)
