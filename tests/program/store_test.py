#!/usr/bin/env python3
"""What a teacher keeps: a student that reads it is the student that asked the teacher, and nobody else's is taken."""
import json
import signal

from small_task import (FOLDER, check, complaint_of, fails, finish, lines_of, make_teacher, make_vocabulary, names_in, numbers,
                        read_safetensors, run, start, succeeds, task_of, training_of, wait_until, write_rows, write_task, write_texts)

STUDENT = "layers=1,width=16,heads=2,inner=32"


def distilled(teacher, data, name, *more, student=()):
    succeeds("distill", "--teacher", teacher, *(student or ["--student", STUDENT]), *training_of(data, FOLDER / name), *more, "--quiet")
    return (FOLDER / name / "model.safetensors").read_bytes()


def weights_of(name):
    return [x for _, tensor in sorted(read_safetensors(FOLDER / name / "model.safetensors").items()) for x in numbers(tensor)]


def check_replay(teacher, data, texts):
    store, more = FOLDER / "store.safetensors", FOLDER / "more.safetensors"
    told = json.loads(succeeds("store", "--teacher", teacher, *task_of(data), "--output", store, "--json").stdout)
    check(told["samples"] == 96 and told["classes"] == 2 and told["bytes"] == 96 * 16, f"store tells {told}")
    kept = read_safetensors(store)
    check(kept["logits"][:2] == ("F32", [96, 2]) and kept["sample_ids"][:2] == ("I64", [96]),
          "the store is a file of tensors that anything reads")
    online = distilled(teacher, data, "online")
    check(distilled(teacher, data, "replayed", "--store", store) == online, "a student of the store has the same bits")
    succeeds("store", "--teacher", teacher, *task_of(data), "--transfer", texts, "--output", more)
    with_texts = distilled(teacher, data, "online_texts", "--transfer", texts)
    check(distilled(teacher, data, "replayed_texts", "--transfer", texts, "--store", more) == with_texts,
          "with texts that only the teacher labels, too")
    distilled(teacher, data, "part", "--store", more)  # more than is asked for does no harm
    half = FOLDER / "half.safetensors"
    succeeds("store", "--teacher", teacher, *task_of(data), "--output", half, "--storage", "bf16")
    check(read_safetensors(half)["logits"][0] == "BF16", "numbers of half the size")
    check(distilled(teacher, data, "rounded", "--store", half) != online, "rounded logits teach something else")
    check_keeping(teacher, data, texts, store, more, online)
    return store, online


def check_keeping(teacher, data, texts, store, more, online):
    """Runs that ask their teacher leave the store that limbeck store writes of the same samples."""
    there = FOLDER / "kept_beside"
    there.mkdir()
    check(distilled(teacher, data, "keeps", "--keep-logits", there) == online, "a run that keeps logits trains the same student")
    check((there / "teacher.safetensors").read_bytes() == store.read_bytes(), "and writes them to a file of a folder that is there")
    distilled(teacher, data, "in_itself", "--transfer", texts, "--keep-logits", FOLDER / "in_itself")
    check((FOLDER / "in_itself/teacher.safetensors").read_bytes() == more.read_bytes(), "the run's own too, and of texts without labels")
    for name, options in {"unread": ["--loss", "hidden_mse:mapping=last"], "rw-kd": ["--recipe", "rw-kd"],
                          "pea-kd": ["--recipe", "pea-kd", "--ptp-epochs", 1],
                          "tinybert": ["--recipe", "tinybert", "--intermediate-epochs", 1]}.items():
        student = ["--student", "from-teacher=0:1"] if name == "pea-kd" else []
        file = FOLDER / f"kept_by_{name}.safetensors"
        distilled(teacher, data, f"keeps_{name}", *options, "--keep-logits", file, student=student)
        check(file.read_bytes() == store.read_bytes(), f"{name}: the same file")

    def line(output, *options):
        return ["distill", "--teacher", teacher, "--student", STUDENT, *training_of(data, FOLDER / output), *options]
    done = run(*line("both", "--store", store, "--keep-logits", FOLDER / "both.safetensors"))
    check(done.returncode == 2 and "--store excludes --keep-logits" in done.stderr and not (FOLDER / "both").exists(),
          f"logits are asked for, or read: {done.stderr}")
    for recipe in ("none", "tinybert"):
        fails(["missing/s"], *line("nowhere", "--recipe", recipe, "--keep-logits", FOLDER / "missing/s"), leaves=FOLDER / "nowhere")
    fails(["holds a complete run", "late.safetensors"], *line("online", "--resume", "--keep-logits", FOLDER / "late.safetensors"))


def check_last_hidden(teacher, data, texts, online):
    store, more = FOLDER / "last_hidden.safetensors", FOLDER / "more_last_hidden.safetensors"
    keep = ["store", "--teacher", teacher, *task_of(data), "--what", "last-hidden", "--output"]
    told = json.loads(succeeds(*keep, store, "--json").stdout)
    kept = read_safetensors(store)
    batches = kept["batch_begin"][1][0] - 1
    check(kept["last_hidden"][:2] == ("F32", [96, 16]), "what the head reads is kept as it is")
    check(told["bytes"] == 96 * (8 + 64) + 8 * (batches + 1), f"store tells {told}")
    check(distilled(teacher, data, "replayed_head", "--store", store) == online, "the head that is run again gives the same bits")
    succeeds(*keep, more, "--transfer", texts)
    with_texts = (FOLDER / "online_texts" / "model.safetensors").read_bytes()
    check(distilled(teacher, data, "replayed_head_texts", "--transfer", texts, "--store", more) == with_texts,
          "with texts that only the teacher labels, too")
    fails(["F32", "BF16"], *keep, FOLDER / "not_kept", "--storage", "bf16", leaves=FOLDER / "not_kept")


def check_layers(teacher, data):
    """A student with terms on layers reads states from the store, and attention maps made from them; the rest it asks for."""
    folder = FOLDER / "kept"
    folder.mkdir()
    keep = ["store", "--teacher", teacher, *task_of(data), "--what", "layers", "--output"]
    told = json.loads(succeeds(*keep, folder, "--json").stdout)
    check(told["output"] == str(folder / "teacher.safetensors"), f"a folder gets a file of its own: {told}")
    kept = read_safetensors(told["output"])
    tokens = numbers(kept["token_begin"])[-1]
    check(told["bytes"] == 96 * (8 + 8) + 97 * 8 + tokens * 16 * 4 * 7, f"embeddings, and three states of two layers: {told}")
    values = FOLDER / "values.safetensors"
    succeeds(*keep, values, "--states", "values")
    check(sorted(name for name in read_safetensors(values)) == ["logits", "sample_ids", "token_begin", "values_0", "values_1"],
          "the states that were asked for, and no others")

    terms = ["--loss", "soft_target_kl"]
    for term in ("attention_mse:of=scores", "hidden_mse:", "patience:", "value_relation:"):
        terms += ["--loss", f"{term}{'' if term.endswith(':') else ','}mapping=last"]
    distilled(teacher, data, "asked", *terms)
    rounded = FOLDER / "rounded.safetensors"
    succeeds(*keep, rounded, "--storage", "bf16")

    def gap_of(name, file):
        distilled(teacher, data, name, *terms, "--store", file)
        return max(abs(a - b) for a, b in zip(weights_of("asked"), weights_of(name)))
    apart = gap_of("of_rounded_states", rounded)
    for name, file in (("all_but_values", told["output"]), ("values", values)):
        gap = gap_of(f"of_{name}", file)
        check(gap < 1e-4 and gap < apart / 4, f"states that were read teach as those that were asked for, but for rounding: {gap}, {apart}")
    brief = distilled(teacher, data, "brief", *terms, "--brief")
    check(brief == (FOLDER / "asked/model.safetensors").read_bytes(), "a brief run trains the same student")
    check(not (FOLDER / "brief/report.html").exists(), "and has no page")
    (final,) = [line for line in lines_of(FOLDER / "brief/run.jsonl") if line["event"] == "final"]
    check(set(final["models"]) == {"student"} and "layers" not in final and "agreement" not in final, f"nor says of its teacher: {final}")
    again = distilled(teacher, data, "brief", *terms, "--brief", "--resume")
    check(again == brief and [line for line in lines_of(FOLDER / "brief/run.jsonl") if line["event"] == "final"] == [final],
          "one that is complete stays as it is")
    (asked,) = [line for line in lines_of(FOLDER / "asked/run.jsonl") if line["event"] == "final"]
    check(final["dev"]["student"] == asked["dev"]["student"], f"and has the scores of a look at its best state: {final}")
    check_parts(teacher, data, told["output"])
    done = run("store", "--teacher", teacher, *task_of(data), "--states", "hidden", "--output", FOLDER / "not_kept")
    check(done.returncode == 2 and "--what layers" in done.stderr and not (FOLDER / "not_kept").exists(),
          f"states of other stores are wrong usage: {done.stderr}")


def check_parts(teacher, data, store):
    """A store of layers has to have every sample, and serves runs that hold some of them out."""
    rows = [line.split("\t") for line in (data / "train.tsv").read_text().splitlines()]
    write_rows(FOLDER / "more" / "train.tsv", rows + [("a story that nobody told", 1)])
    write_rows(FOLDER / "more" / "dev.tsv", rows)
    line = ["distill", "--teacher", teacher, "--student", STUDENT, "--store", store]
    out = FOLDER / "not_written"
    fails([store, "sample 96 of 97"], *line, *training_of(FOLDER / "more", out), leaves=out)
    fails([store, "copies"], *line, *training_of(data, out), "--recipe", "tinybert", "--augment", 1, leaves=out)
    shared = ["--loss", "soft_target_kl:samples=rw_kd", "--loss", "cross_entropy:samples=rw_kd_rest", "--loss", "hidden_mse:mapping=last"]
    distilled(teacher, data, "held_out", *shared)
    distilled(teacher, data, "held_out_of_store", *shared, "--store", store)
    gap = max(abs(a - b) for a, b in zip(weights_of("held_out"), weights_of("held_out_of_store")))
    check(gap < 1e-3, f"samples are shared alike: {gap}")


def check_top_k(teacher, data):
    """All classes, and one of two: a student of the likeliest classes is one of all where none is missing."""
    def keep(k, *more):
        file = FOLDER / f"top_{k}.safetensors"
        succeeds("store", "--teacher", teacher, *task_of(data), "--what", "top-k", "--k", k, "--output", file, *more)
        return file

    whole, half = keep(2, "--temperature", 2), keep(1, "--temperature", 2)
    check(read_safetensors(half)["kept_classes"][:2] == ("I32", [96, 1]), "the likeliest class of each sample")
    check(distilled(teacher, data, "all_kept", "--store", whole) == (FOLDER / "online" / "model.safetensors").read_bytes(),
          "a student of all classes, kept one by one, has the same bits")
    distilled(teacher, data, "one_kept", "--store", half)
    line = ["--student", STUDENT, *training_of(data, FOLDER / "not_written"), "--store"]
    fails(["soft_target_kl:temperature=2", "for temperature 1"], "distill", "--teacher", teacher, *line, keep(1),
          leaves=FOLDER / "not_written")
    fails(["logits_mse", "soft_target_kl"], "distill", "--teacher", teacher, *line, half, "--loss", "logits_mse",
          leaves=FOLDER / "not_written")
    fails(["k is 3", "2 classes"], "store", "--teacher", teacher, *task_of(data), "--what", "top-k", "--k", 3, "--output",
          FOLDER / "not_kept", leaves=FOLDER / "not_kept")


def check_other_samples(teacher, data, store):
    """What a store lacks is asked of the teacher; a store that has nothing is a mistake."""
    rows = [line.split("\t") for line in (data / "train.tsv").read_text().splitlines()]
    write_rows(FOLDER / "grown" / "train.tsv", rows + [("a story that nobody told", 1)])
    write_rows(FOLDER / "grown" / "dev.tsv", rows)
    line = ["distill", "--teacher", teacher, "--student", STUDENT]
    done = succeeds(*line, *training_of(FOLDER / "grown", FOLDER / "grown_student"), "--store", store)
    check("lacks 1 of 97 samples" in done.stderr, f"tells how many samples are new: {done.stderr}")
    out = FOLDER / "not_written"
    cut = [4 if word == 16 else word for word in training_of(data, out)]  # another --max-length
    fails([store, "none of the 96 samples"], *line, *cut, "--store", store, leaves=out)


def check_refusals(teacher, other, data, store):
    out = FOLDER / "not_written"
    line = ["--student", STUDENT, *training_of(data, out), "--store"]
    fails([store, "another teacher"], "distill", "--teacher", other, *line, store, leaves=out)
    fails([FOLDER / "none"], "distill", "--teacher", teacher, *line, FOLDER / "none", leaves=out)
    fails([teacher / "model.safetensors", "limbeck_teacher_store"], "distill", "--teacher", teacher, *line,
          teacher / "model.safetensors", leaves=out)
    damaged = FOLDER / "damaged.safetensors"
    whole = store.read_bytes()
    damaged.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    fails([damaged, "damaged", "checksum"], "distill", "--teacher", teacher, *line, damaged, leaves=out)

    fails(["1535", "1536"], "store", "--teacher", teacher, *task_of(data), "--output", out, "--store-limit", "1535b",
          leaves=out)
    fails([FOLDER / "none" / "store"], "store", "--teacher", teacher, *task_of(data), "--output", FOLDER / "none" / "store")


def check_resume(teacher, data):
    """A stopped run goes on with the store that it began with, and with no other of the same name."""
    store, out = FOLDER / "rewritten.safetensors", FOLDER / "resumed"
    keep = ["store", "--teacher", teacher, *task_of(data), "--output", store]
    line = ["distill", "--teacher", teacher, "--student", STUDENT, *training_of(data, out, epochs=200), "--store", store]
    succeeds(*keep)
    process = start(*line, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    wait_until(lambda: (out / "run.jsonl").exists() and len((out / "run.jsonl").read_bytes()) > 2000, process, 60)
    process.send_signal(signal.SIGINT)
    complaint_of(process, 60)
    check(process.returncode == 130, f"the run was stopped: {process.returncode}")
    succeeds(*keep, "--storage", "f16")
    fails(["store", store.name], *line, "--resume")
    succeeds(*keep)
    succeeds(*line, "--resume", "--quiet")


def main():
    data = write_task(FOLDER / "data")
    vocabulary = make_vocabulary()
    teacher = make_teacher(data, vocabulary)
    other = make_teacher(data, vocabulary, name="other", epochs=1)
    texts = write_texts(FOLDER / "texts.txt")
    store, online = check_replay(teacher, data, texts)
    check_last_hidden(teacher, data, texts, online)
    check_layers(teacher, data)
    check_top_k(teacher, data)
    check_other_samples(teacher, data, store)
    check_resume(teacher, data)
    before = names_in(FOLDER / "online")
    check_refusals(teacher, other, data, store)
    check(names_in(FOLDER / "online") == before, "nothing is written elsewhere")
    finish()


main()
