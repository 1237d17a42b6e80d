"""Time and memory of `measure` with its default settings on models as people bring them, each in a process of its own.

    python benchmarks/models.py [--models gpt2-23M vit-5M resnet-11M bert-padded lora] [--table]

Time is counted in gradients: CPU seconds of `measure` over those of one gradient of the same data, one thread. Memory is counted
in vectors of the size of the trainable parameters: the peak of the process in `measure` beyond its peak after one batch was
differentiated twice (a gradient with its graph, and one product through it); of adapters, vectors of all the parameters. Time and
memory are of two runs, since giving small blocks back at once, as memory is counted, costs time. Results: benchmarks/data/models.json.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

DATA = Path(__file__).parent / "data" / "models.json"
CE = nn.CrossEntropyLoss()


def gpt2(width=384, layers=6, vocab=32000, heads=6, **words):
    """GPT-2 of random weights, as its config makes it: in train mode, with its dropout."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    shape = {"n_embd": width, "n_layer": layers, "n_head": heads, "vocab_size": vocab, "n_positions": 64}
    model = GPT2LMHeadModel(GPT2Config(**shape, bos_token_id=0, eos_token_id=0, **words))
    tokens = torch.randint(0, vocab, (8, 64))
    return model, {"input_ids": tokens, "labels": tokens}, 4, lambda m, b: m(**b).loss


def vit(layers=12, size=224, width=192):
    """ViT of 5.5 million parameters."""
    from transformers import ViTConfig, ViTForImageClassification

    torch.manual_seed(0)
    shape = {"hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": 3, "intermediate_size": 4 * width}
    model = ViTForImageClassification(ViTConfig(**shape, image_size=size, patch_size=16 if size > 100 else 4, num_labels=10))
    return model, images(8, size), 4, lambda m, b: CE(m(pixel_values=b[0]).logits, b[1])


def resnet(widths=(64, 128, 256, 512), depths=(2, 2, 2, 2), size=64):
    """ResNet-18 of 11 million parameters, in train mode: batch statistics."""
    from transformers import ResNetConfig, ResNetForImageClassification

    torch.manual_seed(0)
    shape = {"embedding_size": widths[0], "hidden_sizes": list(widths), "depths": list(depths), "layer_type": "basic"}
    model = ResNetForImageClassification(ResNetConfig(**shape, num_labels=10))
    return model, images(16, size), 8, lambda m, b: CE(m(pixel_values=b[0]).logits, b[1])


def images(count, size):
    return torch.randn(count, 3, size, size), torch.randint(0, 10, (count,))


def bert(width=256, layers=4, vocab=30522):
    """BERT for classification, texts of many lengths padded to the longest and masked."""
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    shape = {"hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": 4, "intermediate_size": 4 * width}
    model = BertForSequenceClassification(BertConfig(**shape, vocab_size=vocab, num_labels=3))
    lengths = torch.randint(5, 65, (16,))
    mask = (torch.arange(64) < lengths[:, None]).long()
    tokens = torch.randint(1, vocab, (16, 64)) * mask
    return model, {"input_ids": tokens, "attention_mask": mask, "labels": torch.randint(0, 3, (16,))}, 8, lambda m, b: m(**b).loss


def lora(rank=8, **shape):
    """The GPT-2 saved, loaded and given adapters."""
    import peft
    from transformers import GPT2LMHeadModel

    model, data, batch_size, loss = gpt2(**shape)
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        model = GPT2LMHeadModel.from_pretrained(folder)
    adapters = peft.LoraConfig(r=rank, target_modules=["c_attn"], fan_in_fan_out=True, lora_dropout=0.1)
    return peft.get_peft_model(model, adapters).train(), data, batch_size, loss


MODELS = {"gpt2-23M": gpt2, "vit-5M": vit, "resnet-11M": resnet, "bert-padded": bert, "lora": lora}


def peak():
    """Most memory this process has held, in bytes."""
    return 1024 * int(next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")).split()[1])


class Rows(Dataset):
    """Examples one by one, as a loader takes them."""

    def __init__(self, data):
        self.data = data

    def __len__(self):
        return len(next(iter(self.data.values())) if isinstance(self.data, dict) else self.data[0])

    def __getitem__(self, row):
        return {k: v[row] for k, v in self.data.items()} if isinstance(self.data, dict) else tuple(v[row] for v in self.data)


def measured(name, short=False):
    """One model: what `measure` costs, in time and in memory; `short`: with the fewest products, which hold as much memory."""
    import inertia.torch
    from inertia.measurement import model as measuring

    if short:
        measuring.BUDGET = 25.0
    torch.set_num_threads(1)
    small = nn.Linear(3, 1)
    inertia.torch.measure(small, nn.MSELoss(), (torch.randn(9, 3), torch.ones(9, 1)), batch_size=3)  # whatever loads on first use
    model, data, batch_size, loss = MODELS[name]()
    loader = DataLoader(Rows(data), batch_size=batch_size, shuffle=True)
    params = [p for p in model.parameters() if p.requires_grad]

    def gradient():
        begin = time.process_time()
        for batch in loader:
            torch.autograd.grad(loss(model, batch), params, allow_unused=True)
        return time.process_time() - begin

    twice(model, next(iter(loader)), loss, params)
    before, seconds = peak(), [gradient() for _ in range(3)]
    told, begin, wall = [], time.process_time(), time.monotonic()
    found = inertia.torch.measure(model, None, loader, forward=loss, progress=lambda *line: told.append(line))
    took, waited = time.process_time() - begin, time.monotonic() - wall
    vectors = (peak() - before) / sum(p.numel() * p.element_size() for p in model.parameters())
    seconds += [gradient() for _ in range(2)]
    about = found.provenance
    return {
        "parameters": found.dimension, "all_parameters": sum(p.numel() for p in model.parameters()), "examples": about["examples"],
        "batch_size": batch_size, "gradient_seconds": statistics.median(seconds), "seconds": took, "wall_seconds": waited,
        "gradients": took / statistics.median(seconds), "vectors": vectors, "largest": found.L, "upper": found.upper,
        "converged": about["converged"], "products": about["hvps"], "told": len(told), "noise_trace": about["noise_trace"],
        "budget": about.get("budget", ""), "warning": about.get("warning", ""), "frozen": about["frozen"], "way": about["products"],
    }  # fmt: skip


def twice(model, batch, loss, params):
    """One batch differentiated twice."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    with sdpa_kernel(SDPBackend.MATH):
        grads = torch.autograd.grad(loss(model, batch), params, create_graph=True, allow_unused=True)
        live = [g for g in grads if g is not None]
        torch.autograd.grad(live, params, [torch.ones_like(g) for g in live], allow_unused=True)


def rows(results):
    """The table of the page."""
    lines = ["| model | parameters | time in gradients | memory in vectors | largest curvature |", "|---|---|---|---|---|"]
    for name, one in results.items():
        found = f"{one['largest']:.4g} to {one['upper']:.4g}"
        lines.append(f"| {name} | {one['parameters'] / 1e6:.2f} M | {one['gradients']:.0f} | {one['vectors']:.1f} | {found} |")
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--one", choices=list(MODELS), help="measure here, and print")
    parser.add_argument("--table", action="store_true", help="print the kept results as the page shows them")
    parser.add_argument("--short", action="store_true", help="with --one: few products, to count memory")
    parser.add_argument("--time", action="store_true", help="no second run that counts memory")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    if args.one:
        print(json.dumps(measured(args.one, args.short)))
        return
    results = json.loads(DATA.read_text()) if DATA.exists() else {}
    for name in () if args.table else args.models:
        # small blocks given back at once, as the large ones of a large model are: then the peak counts vectors
        found = []
        for words, more in (({}, []), ({"MALLOC_MMAP_THRESHOLD_": "65536"}, ["--short"]))[: 1 if args.time else 2]:
            env = os.environ | {"OMP_NUM_THREADS": "1"} | words
            text = subprocess.check_output([sys.executable, __file__, "--one", name, *more], text=True, env=env)
            found.append(json.loads(text.splitlines()[-1]))
        results[name] = found[0] | {"vectors": found[-1]["vectors"]}
        DATA.write_text(json.dumps({key: results[key] for key in MODELS if key in results}, indent=1) + "\n")
        print(name, {key: value for key, value in results[name].items() if key not in {"frozen"}}, flush=True)
    print("\n".join(rows(results)))


if __name__ == "__main__":
    main()
