#!/usr/bin/env python3
"""What a teacher keeps: a student that reads it is the student that asked the teacher, and nobody else's is taken."""
import json

from small_task import (FOLDER, check, fails, finish, make_teacher, make_vocabulary, names_in, read_safetensors, succeeds,
                        task_of, training_of, write_rows, write_task, write_texts)

STUDENT = "layers=1,width=16,heads=2,inner=32"


def distilled(teacher, data, name, *more):
    succeeds("distill", "--teacher", teacher, "--student", STUDENT, *training_of(data, FOLDER / name), *more, "--quiet")
    return (FOLDER / name / "model.safetensors").read_bytes()


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
    return store


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

    more = FOLDER / "more"
    rows = [line.split("\t") for line in (data / "train.tsv").read_text().splitlines()]
    write_rows(more / "train.tsv", rows + [("a story that nobody told", 1)])
    write_rows(more / "dev.tsv", rows)
    fails([store, "no sample", "sample 96 of 97"], "distill", "--teacher", teacher, "--student", STUDENT,
          *training_of(more, out), "--store", store, leaves=out)
    fails(["1535", "1536"], "store", "--teacher", teacher, *task_of(data), "--output", out, "--store-limit", "1535b",
          leaves=out)
    fails([FOLDER / "none" / "store"], "store", "--teacher", teacher, *task_of(data), "--output", FOLDER / "none" / "store")


def main():
    data = write_task(FOLDER / "data")
    vocabulary = make_vocabulary()
    teacher = make_teacher(data, vocabulary)
    other = make_teacher(data, vocabulary, name="other", epochs=1)
    store = check_replay(teacher, data, write_texts(FOLDER / "texts.txt"))
    before = names_in(FOLDER / "online")
    check_refusals(teacher, other, data, store)
    check(names_in(FOLDER / "online") == before, "nothing is written elsewhere")
    finish()


main()
