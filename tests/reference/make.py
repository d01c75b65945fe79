#!/usr/bin/env python3
"""Makes tiny random Qwen3 and Qwen3.5 models with `transformers`, writes them as GGUF files after llama.cpp's conventions,
and records the logits that `transformers` and llama.cpp compute from each file.

    make.py                    the files of tests/data/reference, and the table of differences
    make.py --out DIR --large  models of the real heads' widths, also in K formats (tens of MB)
    make.py --skip-llama       without llama.cpp; records transformers' logits alone

The same seed gives the same weights. `transformers` computes in f32 from the numbers that the file holds, read back from
its blocks, so a difference from it is one of arithmetic and never one of rounding the weights."""

import argparse
import ctypes
import math
from dataclasses import dataclass, replace
from pathlib import Path

import gguf
import numpy as np
import torch
from safetensors.numpy import save_file
from transformers import Qwen3Config, Qwen3ForCausalLM
from transformers.models.qwen3_5 import Qwen3_5ForCausalLM, Qwen3_5TextConfig

# The logits behind the last token of a prompt of so many tokens; odd ends around the chunk of 64.
LENGTHS = [1, 2, 40, 63, 64, 65, 130, 300, 4000]
N_CONTEXT = 8192
WORDS = ["\n\n", " the", " of", "ing", "the", "中", "。"]
SPECIAL = [("<|endoftext|>", 3), ("<|im_start|>", 3), ("<|im_end|>", 3), ("<think>", 4), ("</think>", 4)]


@dataclass(frozen=True)
class Model:
    """The shape of one model, and the formats that its matrices are written in."""

    name: str
    arch: str  # qwen3 or qwen35
    seed: int
    formats: tuple
    hidden: int = 32
    ff: int = 64
    layers: int = 4
    interval: int = 4  # every so many layers one is full attention
    heads: int = 2
    kv_heads: int = 1
    head_dim: int = 32
    k_heads: int = 2
    v_heads: int = 2
    state: int = 16
    sections: tuple = (2, 1, 1)  # of the rotary frequencies; a quarter of the head turns
    tied: bool = True
    mtp: bool = False  # whether a block for predicting two tokens stands behind the layers


SMALL = [
    Model("qwen35-tiled", "qwen35", 3, ("F32", "Q8_0"), v_heads=4),
    Model("qwen35-equal-mtp", "qwen35", 1, ("Q8_0",), interval=2, tied=False, mtp=True),
    Model("qwen3", "qwen3", 4, ("Q8_0",), layers=2, heads=4, kv_heads=2),
]
LARGE = [
    replace(model, name=model.name + "-large", formats=("F32", "Q8_0", "Q4_K_M"), hidden=256, ff=512, layers=8, interval=4, heads=4,
            head_dim=256, k_heads=4, v_heads=model.v_heads * 2, state=128, sections=(11, 11, 10))
    for model in SMALL
] + [Model("qwen35-equal", "qwen35", 1, ("F32",), interval=2, tied=False), replace(SMALL[2], formats=("F32",))]  # fmt: skip


def vocabulary():
    """Tokens as byte-level BPE spells them, their types, and the merges of WORDS."""
    prints = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in prints]
    tokens = [chr(byte) if byte in prints else chr(0x100 + others.index(byte)) for byte in range(256)]
    merges = []
    for word in WORDS:
        spelled = [tokens[byte] for byte in word.encode()]
        for end in range(2, len(spelled) + 1):
            if "".join(spelled[:end]) not in tokens:
                merges.append("".join(spelled[: end - 1]) + " " + spelled[end - 1])
                tokens.append("".join(spelled[:end]))
    types = [1] * len(tokens) + [kind for _, kind in SPECIAL]
    return tokens + [token for token, _ in SPECIAL], types, merges


def build(m, n_vocabulary):
    """The model of `transformers`, with random weights that keep every part of it at work."""
    shape = dict(
        vocab_size=n_vocabulary, hidden_size=m.hidden, intermediate_size=m.ff, num_hidden_layers=m.layers, num_attention_heads=m.heads,
        num_key_value_heads=m.kv_heads, head_dim=m.head_dim, max_position_embeddings=N_CONTEXT, rms_norm_eps=1e-6,
        tie_word_embeddings=m.tied, attn_implementation="eager",
    )  # fmt: skip
    if m.arch == "qwen3":
        network = Qwen3ForCausalLM(Qwen3Config(rope_parameters=dict(rope_type="default", rope_theta=1e6), **shape))
    else:
        rope = dict(rope_type="default", rope_theta=1e7, partial_rotary_factor=0.25, mrope_section=list(m.sections), mrope_interleaved=True)
        kinds = ["linear_attention" if (i + 1) % m.interval else "full_attention" for i in range(m.layers)]
        network = Qwen3_5ForCausalLM(Qwen3_5TextConfig(
            rope_parameters=rope, layer_types=kinds, linear_conv_kernel_dim=4, linear_key_head_dim=m.state, linear_value_head_dim=m.state,
            linear_num_key_heads=m.k_heads, linear_num_value_heads=m.v_heads, **shape,
        ))  # fmt: skip
    random = torch.Generator().manual_seed(m.seed)
    for name, parameter in sorted(network.named_parameters()):
        normal = torch.randn(parameter.shape, generator=random)
        uniform = torch.rand(parameter.shape, generator=random)
        if name.endswith("A_log"):
            values = math.log(0.02) + uniform * math.log(50)  # a token keeps from half to nearly all of a state
        elif name.endswith("dt_bias"):
            values = uniform * 3 - 2.5
        elif name.endswith("norm.weight"):
            sharp = 0.6 if name.endswith(("q_norm.weight", "k_norm.weight")) else 0
            values = 0.2 * normal + sharp + (0 if one_more(m, name) else 1)
        elif "embed_tokens" in name or "lm_head" in name:
            values = 0.6 * math.sqrt(32 / m.hidden) * normal
        else:
            values = normal / math.sqrt(parameter.shape[-1])
        parameter.data.copy_(values)
    return network.float().eval()


def one_more(m, name):
    """Whether the model multiplies by one more than this weight; a GGUF file holds the sum."""
    return m.arch == "qwen35" and name.endswith("norm.weight") and "linear_attn" not in name


def tiled(m, name):
    """Along which axis, and in which order, a GGUF file holds the V heads of a tensor: heads of the same K head lie
    side by side in the model, and K heads apart in the file."""

    def order(width):
        return np.arange(m.v_heads * width).reshape(m.k_heads, m.v_heads // m.k_heads, width).swapaxes(0, 1).ravel()

    n_qk = 2 * m.k_heads * m.state
    if "in_proj_qkv" in name or "conv1d" in name:
        return 0, np.concatenate([np.arange(n_qk), n_qk + order(m.state)])
    if "in_proj_z" in name:
        return 0, order(m.state)
    if any(part in name for part in ("in_proj_a", "in_proj_b", "A_log", "dt_bias")):
        return 0, order(1)
    if "linear_attn.out_proj" in name:
        return 1, order(m.state)
    return None


def tensors(m, network):
    """Name in the model, name in the file and numbers as the file holds them, of every tensor."""
    names = gguf.get_tensor_name_map(getattr(gguf.MODEL_ARCH, m.arch.upper()), m.layers)
    for name, parameter in network.named_parameters():
        values = parameter.detach().numpy()
        if name.endswith("A_log"):
            values = -parameter.detach().exp().numpy()
        elif "conv1d" in name:
            values = values.squeeze(1)
        elif one_more(m, name):
            values = values + np.float32(1)
        if move := tiled(m, name):
            values = values.take(move[1], axis=move[0])
        yield name, names.get_name(name.replace("dt_bias", "dt_proj.bias"), try_suffixes=(".weight", ".bias")), values


def mtp_block(m):
    """Tensors of the block for predicting two tokens, which a forward pass skips."""
    random = np.random.default_rng(m.seed)
    shapes = {
        "attn_q": (2 * m.heads * m.head_dim, m.hidden), "attn_k": (m.kv_heads * m.head_dim, m.hidden),
        "attn_v": (m.kv_heads * m.head_dim, m.hidden), "attn_output": (m.hidden, m.heads * m.head_dim), "ffn_gate": (m.ff, m.hidden),
        "ffn_up": (m.ff, m.hidden), "ffn_down": (m.hidden, m.ff), "nextn.eh_proj": (m.hidden, 2 * m.hidden), "attn_norm": (m.hidden,),
        "post_attention_norm": (m.hidden,), "attn_q_norm": (m.head_dim,), "attn_k_norm": (m.head_dim,), "nextn.enorm": (m.hidden,),
        "nextn.hnorm": (m.hidden,), "nextn.shared_head_norm": (m.hidden,),
    }  # fmt: skip
    for name, shape in shapes.items():
        yield f"blk.{m.layers}.{name}.weight", random.standard_normal(shape, dtype=np.float32)


def write(m, network, path, dtype):
    """Writes the file, its matrices in `dtype`."""
    w = gguf.GGUFWriter(path, m.arch)
    w.add_name(f"random {m.name}")
    w.add_block_count(m.layers + m.mtp)
    w.add_context_length(N_CONTEXT)
    w.add_embedding_length(m.hidden)
    w.add_feed_forward_length(m.ff)
    w.add_head_count(m.heads)
    w.add_head_count_kv(m.kv_heads)
    w.add_key_length(m.head_dim)
    w.add_value_length(m.head_dim)
    w.add_layer_norm_rms_eps(1e-6)
    w.add_rope_freq_base(1e6 if m.arch == "qwen3" else 1e7)
    w.add_quantization_version(gguf.GGML_QUANT_VERSION)
    w.add_file_type(gguf.LlamaFileType.ALL_F32 if dtype == "F32" else gguf.LlamaFileType.MOSTLY_Q8_0)
    if m.arch == "qwen35":
        w.add_rope_dimension_count(m.head_dim // 4)
        w.add_rope_dimension_sections([*m.sections, 0])
        w.add_ssm_conv_kernel(4)
        w.add_ssm_state_size(m.state)
        w.add_ssm_group_count(m.k_heads)
        w.add_ssm_time_step_rank(m.v_heads)
        w.add_ssm_inner_size(m.v_heads * m.state)
        w.add_full_attention_interval(4)
        if m.interval != 4:  # a list of the layers stands above the interval
            kinds = [i < m.layers and (i + 1) % m.interval != 0 for i in range(m.layers + m.mtp)]
            w.add_array("qwen35.attention.recurrent_layers", kinds)
        if m.mtp:
            w.add_nextn_predict_layers(1)
    tokens, types, merges = vocabulary()
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("qwen2" if m.arch == "qwen3" else "qwen35")
    w.add_token_list(tokens)
    w.add_token_types(types)
    w.add_token_merges(merges)
    w.add_eos_token_id(tokens.index("<|im_end|>"))
    w.add_pad_token_id(tokens.index("<|endoftext|>"))
    w.add_add_bos_token(False)
    quantized = gguf.GGMLQuantizationType[dtype]
    for _, name, values in [*tensors(m, network), *((None, *tensor) for tensor in (mtp_block(m) if m.mtp else ()))]:
        values = np.ascontiguousarray(values, dtype=np.float32)
        if values.ndim == 2 and "conv1d" not in name and dtype != "F32":
            w.add_tensor(name, gguf.quants.quantize(values, quantized), raw_dtype=quantized)
        else:
            w.add_tensor(name, values)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def read_back(m, path):
    """The model with its matrices as the file holds them."""
    stored = {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
    network = build(m, len(vocabulary()[0]))
    weights = dict(network.named_parameters())
    for name, in_file, values in list(tensors(m, network)):
        if values.ndim == 2 and "conv1d" not in name:
            values = gguf.quants.dequantize(stored[in_file].data, stored[in_file].tensor_type)
            if move := tiled(m, name):
                values = values.take(np.argsort(move[1]), axis=move[0])
            weights[name].data.copy_(torch.from_numpy(values))
    return network


def by_transformers(network, ids):
    """Logits behind the last token of every length, in one pass over the longest prompt."""
    with torch.no_grad():
        return network(torch.tensor([ids.tolist()])).logits[0, [n - 1 for n in LENGTHS]].numpy()


def in_bytes(m, network, scale_type):
    """Makes the model round what its matrices multiply, as kernels on bytes do: 32 numbers to -127..=127 and one scale."""

    def rounding(order):
        def rounded(_, inputs):
            x = inputs[0][..., order]
            groups = x.reshape(*x.shape[:-1], -1, 32)
            scales = groups.abs().amax(-1, keepdim=True) / 127
            bytes_ = torch.round(groups / scales.clamp_min(1e-30))
            return ((bytes_ * scales.to(scale_type).float()).reshape(x.shape)[..., np.argsort(order)],)

        return rounded

    for name, module in network.named_modules():
        if isinstance(module, torch.nn.Linear):
            move = tiled(m, name) or (0, None)
            order = move[1] if move[0] == 1 else np.arange(module.in_features)  # as its columns lie in the file
            module.register_forward_pre_hook(rounding(order))
    return network


class LlamaCpp:
    """llama.cpp on one file, on one thread, with keys and values in a type of ggml."""

    def __init__(self, path, cache_type):
        import llama_cpp

        self.api = llama_cpp
        self.silence = llama_cpp.llama_log_callback(lambda level, text, data: None)
        llama_cpp.llama_log_set(self.silence, ctypes.c_void_p(0))
        self.model = llama_cpp.llama_model_load_from_file(str(path).encode(), llama_cpp.llama_model_default_params())
        options = llama_cpp.llama_context_default_params()
        options.n_ctx, options.n_batch, options.n_ubatch, options.n_seq_max = N_CONTEXT, 512, 512, 2
        options.n_threads = options.n_threads_batch = 1
        options.type_k = options.type_v = cache_type
        options.flash_attn_type = 0
        options.kv_unified = True
        self.context = llama_cpp.llama_init_from_model(self.model, options)
        self.n_vocabulary = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self.model))

    def close(self):
        self.api.llama_free(self.context)
        self.api.llama_model_free(self.model)

    def feed(self, ids, start, sequence=0):
        """Takes the tokens in, in one batch, and returns the logits behind each."""
        batch = self.api.llama_batch_init(len(ids), 0, 1)
        batch.n_tokens = len(ids)
        for i, token in enumerate(ids):
            batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = int(token), start + i, 1, True
            batch.seq_id[i][0] = sequence
        code = self.api.llama_decode(self.context, batch)
        self.api.llama_batch_free(batch)
        if code:
            raise RuntimeError(f"llama_decode returned {code}")
        return np.stack([
            np.ctypeslib.as_array(self.api.llama_get_logits_ith(self.context, i), (self.n_vocabulary,)).copy() for i in range(len(ids))
        ])  # fmt: skip

    def run(self, ids, sizes):
        """The logits of LENGTHS, the prompt taken in by batches of the sizes given, in turn."""
        found, start, turn = {}, 0, 0
        while start < len(ids):
            part = ids[start : start + sizes[turn % len(sizes)]]
            for i, row in enumerate(self.feed(part, start)):
                found[start + i + 1] = row
            start, turn = start + len(part), turn + 1
        return np.stack([found[n] for n in LENGTHS])

    def forked(self, ids):
        """The same behind a fork: the first 40 tokens are shared with a sequence that goes on with others."""
        found = {i + 1: row for i, row in enumerate(self.feed(ids[:40], 0))}
        memory = self.api.llama_get_memory(self.context)
        self.api.llama_memory_seq_cp(memory, 0, 1, -1, -1)
        self.feed(ids[100:170], 40, sequence=1)
        for start in range(40, len(ids), 512):
            for i, row in enumerate(self.feed(ids[start : start + 512], start)):
                found[start + i + 1] = row
        return np.stack([found[n] for n in LENGTHS])


F32, F16 = 0, 1
MODES = {
    "prefill": (F32, lambda peer, ids: peer.run(ids, [512])),
    "odd chunks": (F32, lambda peer, ids: peer.run(ids, [1, 7, 64, 63, 65, 130, 5])),
    "token by token": (F32, lambda peer, ids: peer.run(ids, [1])),
    "after a fork": (F32, lambda peer, ids: peer.forked(ids)),
    "prefill, cache in f16": (F16, lambda peer, ids: peer.run(ids, [512])),
}


def quantize_by_llama(source, path):
    """Writes `path` in the mixture Q4_K_M, of which the `gguf` package knows no writer."""
    import llama_cpp

    options = llama_cpp.llama_model_quantize_default_params()
    options.ftype, options.nthread = llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_K_M, 1
    if llama_cpp.llama_model_quantize(str(source).encode(), str(path).encode(), ctypes.byref(options)):
        raise RuntimeError(f"llama.cpp does not quantize {source}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "data" / "reference")
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--skip-llama", action="store_true")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    n_vocabulary = len(vocabulary()[0])
    ids = np.random.default_rng(0).integers(0, n_vocabulary, LENGTHS[-1], dtype=np.uint32)
    recorded = {"ids": ids, "lengths": np.array(LENGTHS, dtype=np.uint32)}
    print("| file | llama.cpp | transformers | max difference | mean difference | same argmax |\n|---|---|---|---|---|---|")

    def row(stem, mode, rounding, found, expected):
        difference, same = np.abs(found - expected), int((found.argmax(1) == expected.argmax(1)).sum())
        print(f"| {stem} | {mode} | {rounding} | {difference.max():.1e} | {difference.mean():.1e} | {same} of {len(LENGTHS)} |", flush=True)

    for m in LARGE if options.large else SMALL:
        network = build(m, n_vocabulary)
        for dtype in m.formats:
            path = options.out / f"{m.name}-{dtype.lower()}.gguf"
            if dtype == "Q4_K_M":
                quantize_by_llama(options.out / f"{m.name}-f32.gguf", path)
            else:
                write(m, network, path, dtype)
            expected = by_transformers(read_back(m, path), ids)
            recorded[f"{path.stem}/transformers"] = expected
            if dtype != "F32":
                recorded[f"{path.stem} in bytes"] = by_transformers(in_bytes(m, read_back(m, path), torch.float32), ids)
            for mode, (cache_type, run) in () if options.skip_llama else MODES.items():
                peer = LlamaCpp(path, cache_type)
                found = run(peer, ids)
                peer.close()
                row(path.stem, mode, "in f32", found, expected)
                if mode == "prefill" and dtype != "F32":
                    recorded[f"{path.stem}/llama.cpp"] = found
                if mode == "prefill" and dtype == "Q8_0":  # whose scales llama.cpp keeps in f16
                    row(path.stem, mode, "in bytes", found, by_transformers(in_bytes(m, read_back(m, path), torch.float16), ids))
    save_file(recorded, options.out / ("expected-large.safetensors" if options.large else "expected.safetensors"))


if __name__ == "__main__":
    main()
