#!/usr/bin/env python3
"""Folders that limbeck wrote load in transformers, and the other way round, with the same logits.

usage: transformers_round_trip_test.py [--program PROGRAM] [--tool TOOL]

TOOL is write_student.cpp, compiled; without it, it is compiled here with $CXX (c++). The program is not used. Ends with
77 where torch, transformers, safetensors or a compiler are missing.
"""
import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
TOLERANCE = 1e-5

try:
    import torch
    from safetensors.torch import load_file, save_file
    from transformers import (AutoModelForMaskedLM, AutoModelForSequenceClassification, AutoTokenizer, BertConfig,
                              BertForMaskedLM, BertForSequenceClassification, DistilBertConfig, DistilBertForMaskedLM,
                              DistilBertForSequenceClassification)
    from transformers.utils import logging
except ImportError as missing:
    print(f"limbeck skipped: {missing}")
    sys.exit(77)


def compiled(work):
    compiler, tool = os.environ.get("CXX", "c++"), Path(work, "write_student")
    try:
        eigen = subprocess.run(["pkg-config", "--cflags", "eigen3"], stdout=subprocess.PIPE, text=True, check=True)
        subprocess.run([compiler, "-std=c++20", "-O2", "-I", str(REPOSITORY / "include"), *eigen.stdout.split(),
                        str(REPOSITORY / "tests/full/write_student.cpp"), "-o", str(tool)], check=True)
    except FileNotFoundError as missing:
        print(f"limbeck skipped: {missing}")
        sys.exit(77)
    return str(tool)


def batch(seed):
    random = torch.Generator().manual_seed(seed)
    ids = torch.randint(5, 60, (6, 17), generator=random)
    lengths = torch.randint(1, 18, (6,), generator=random)
    lengths[0] = 17
    mask = (torch.arange(17)[None] < lengths[:, None]).long()
    types = torch.randint(0, 2, (6, 17), generator=random) * mask
    return {"input_ids": ids * mask, "token_type_ids": types, "attention_mask": mask}


def loaded(folder, kind_of_model=AutoModelForSequenceClassification):
    model, report = kind_of_model.from_pretrained(folder, output_loading_info=True)
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        assert not report[kind], (folder, kind, report[kind])
    return model.eval()


def expect_same_logits(tool, folder, model, inputs, work, masked=False):
    save_file(inputs, Path(work, "in.safetensors"))
    subprocess.run([tool, "masked-logits" if masked else "logits", folder, Path(work, "in.safetensors"), Path(work, "out.safetensors")], check=True)
    ours = load_file(Path(work, "out.safetensors"))["logits"]
    given = dict(inputs)
    if model.config.model_type == "distilbert":
        del given["token_type_ids"]
    with torch.no_grad():
        theirs = model(**given).logits
    if masked:  # ours has a row a token, whether it is one or padding
        valid = inputs["attention_mask"].bool()
        ours, theirs = ours.view(theirs.shape)[valid], theirs[valid]
    assert ours.shape == theirs.shape, (ours.shape, theirs.shape)
    gap = (ours - theirs).abs().max().item()
    print(f"{Path(folder).name}: logits differ by {gap:.1e}, largest {theirs.abs().max().item():.2f}")
    assert gap <= TOLERANCE * max(1.0, theirs.abs().max().item()), gap


def expect_exchanged(first, second):
    """The second use of a layer has its tensors, queries and keys in each other's place."""
    other = {"query": "key", "key": "query", "q_lin": "k_lin", "k_lin": "q_lin"}
    for name, tensor in first.items():
        there = ".".join(other.get(part, part) for part in name.split("."))
        assert torch.equal(tensor, second[there]), name
    assert any(not torch.equal(first[name], second[name]) for name in first)


def ours_there(tool, work):
    for family, classes, sharing in itertools.product(("bert", "distilbert"), (3, 1), ("own", "shared", "sps")):
        folder = str(Path(work, f"{family}-{classes}-{sharing}"))
        subprocess.run([tool, "make", folder, family, str(classes), sharing], check=True)
        model = loaded(folder)
        assert model.config.num_labels == classes
        assert model.config.problem_type == ("regression" if classes == 1 else "single_label_classification")
        expect_same_logits(tool, folder, model, batch(classes), work)
        layers = model.base_model.encoder.layer if family == "bert" else model.base_model.transformer.layer
        assert len(layers) == 4
        if sharing == "shared":
            pairs = zip(layers[0].parameters(), layers[1].parameters())
            assert all(torch.equal(a, b) for a, b in pairs)
        if sharing == "sps":
            expect_exchanged(layers[0].state_dict(), layers[2].state_dict())
        tokenizer = AutoTokenizer.from_pretrained(folder)
        expected = [2, 17 if sharing == "own" else 1, 3]
        assert tokenizer("W17")["input_ids"] == expected, tokenizer("W17")
        again = folder + "-saved"  # what transformers makes of our folder is still ours to read, ties included
        model.save_pretrained(again)
        kept = json.loads(Path(again, "config.json").read_text()).get("limbeck_sharing")
        assert (kept is not None) == (sharing != "own"), kept
        expect_same_logits(tool, again, model, batch(7), work)


def theirs_here(tool, work):
    torch.manual_seed(3)
    labels = {0: "yes", 1: "no", 2: "perhaps"}
    bert = BertConfig(vocab_size=60, hidden_size=24, num_hidden_layers=3, num_attention_heads=4, intermediate_size=40,
                      max_position_embeddings=30, layer_norm_eps=1e-5, id2label=labels,
                      label2id={name: number for number, name in labels.items()})
    distilbert = DistilBertConfig(vocab_size=60, dim=24, n_layers=3, n_heads=4, hidden_dim=40,
                                  max_position_embeddings=30, num_labels=1)
    for name, model in (("their-bert", BertForSequenceClassification(bert)),
                        ("their-distilbert", DistilBertForSequenceClassification(distilbert))):
        with torch.no_grad():
            for p in model.parameters():
                p.add_(0.1 * torch.randn_like(p))
        folder, copy, parts = (str(Path(work, name + end)) for end in ("", "-copy", "-parts"))
        model.eval().save_pretrained(folder)
        expect_same_logits(tool, folder, model, batch(11), work)
        subprocess.run([tool, "copy", folder, copy], check=True)
        mine, back = model.state_dict(), loaded(copy).state_dict()
        assert mine.keys() == back.keys() and all(torch.equal(mine[k], back[k]) for k in mine)
        model.save_pretrained(parts, max_shard_size="10KB")
        assert Path(parts, "model.safetensors.index.json").exists()
        expect_same_logits(tool, parts, model, batch(12), work)


def masked_both_ways(tool, work):
    for family in ("bert", "distilbert"):
        folder = str(Path(work, f"masked-{family}"))
        subprocess.run([tool, "make-masked", folder, family], check=True)
        model = loaded(folder, AutoModelForMaskedLM)
        assert type(model).__name__ == {"bert": "BertForMaskedLM", "distilbert": "DistilBertForMaskedLM"}[family]
        words = model.get_input_embeddings().weight
        assert model.get_output_embeddings().weight.data_ptr() == words.data_ptr()
        expect_same_logits(tool, folder, model, batch(5), work, masked=True)
    torch.manual_seed(4)
    bert = BertConfig(vocab_size=60, hidden_size=24, num_hidden_layers=2, num_attention_heads=4, intermediate_size=40,
                      max_position_embeddings=30)
    distilbert = DistilBertConfig(vocab_size=60, dim=24, n_layers=2, n_heads=4, hidden_dim=40, max_position_embeddings=30)
    for name, model in (("their-masked-bert", BertForMaskedLM(bert)),
                        ("their-masked-distilbert", DistilBertForMaskedLM(distilbert))):
        with torch.no_grad():
            for p in model.parameters():
                p.add_(0.1 * torch.randn_like(p))
        folder = str(Path(work, name))
        model.eval().save_pretrained(folder)
        expect_same_logits(tool, folder, model, batch(6), work, masked=True)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--program")
    arguments.add_argument("--tool")
    given = arguments.parse_args()
    logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as work:
        tool = given.tool or compiled(work)
        ours_there(tool, work)
        theirs_here(tool, work)
        masked_both_ways(tool, work)


if __name__ == "__main__":
    main()
