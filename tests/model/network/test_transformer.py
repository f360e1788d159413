from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from model.network.transformer import (
    BlockSizes,
    CrossAttention,
    CrossAttentionBlock,
    CrossAttentionStack,
    FeedForward,
    KeyValueProjection,
    SelfAttention,
    SelfAttentionBlock,
    SelfAttentionStack,
)

WIDTH, HEADS = 12, 3


def items(n: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, n, WIDTH, generator=generator, dtype=torch.float64, requires_grad=True)


def copy_attention(own: SelfAttention | CrossAttention, torchs: nn.MultiheadAttention) -> None:
    """Torch's weights into ours."""
    weight, bias = torchs.in_proj_weight, torchs.in_proj_bias
    with torch.no_grad():
        if isinstance(own, SelfAttention):
            own.to_query_key_value.weight.copy_(weight)
            own.to_query_key_value.bias.copy_(bias)
        else:
            own.to_query.weight.copy_(weight[:WIDTH])
            own.to_query.bias.copy_(bias[:WIDTH])
        own.to_output.load_state_dict(torchs.out_proj.state_dict())


def randomise(module: nn.Module) -> None:
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for p in module.parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=generator, dtype=p.dtype))


def torch_encoder_layer() -> nn.TransformerEncoderLayer:
    layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 2 * WIDTH, 0.0, "gelu", batch_first=True, norm_first=True)
    randomise(layer.double())
    return layer


def torch_decoder_layer() -> nn.TransformerDecoderLayer:
    layer = nn.TransformerDecoderLayer(WIDTH, HEADS, 2 * WIDTH, 0.0, "gelu", batch_first=True, norm_first=True)
    randomise(layer.double())
    return layer


def copy_self_block(own: SelfAttentionBlock, torchs: nn.TransformerEncoderLayer) -> None:
    copy_attention(own.attention, torchs.self_attn)
    own.before_attention.load_state_dict(torchs.norm1.state_dict())
    own.before_forward.load_state_dict(torchs.norm2.state_dict())
    own.forward_block.widen.load_state_dict(torchs.linear1.state_dict())
    own.forward_block.narrow.load_state_dict(torchs.linear2.state_dict())


def copy_cross_block(own: CrossAttentionBlock, torchs: nn.TransformerDecoderLayer) -> None:
    copy_attention(own.attention, torchs.self_attn)
    copy_attention(own.cross, torchs.multihead_attn)
    for mine, its in (("before_attention", "norm1"), ("before_cross", "norm2"), ("before_forward", "norm3")):
        getattr(own, mine).load_state_dict(getattr(torchs, its).state_dict())
    own.forward_block.widen.load_state_dict(torchs.linear1.state_dict())
    own.forward_block.narrow.load_state_dict(torchs.linear2.state_dict())


def memory_of(torchs: nn.TransformerDecoderLayer) -> KeyValueProjection:
    """Keys and values as torch's layer makes them."""
    own, attention = KeyValueProjection(WIDTH, HEADS).double(), torchs.multihead_attn
    with torch.no_grad():
        own.to_key_value.weight.copy_(attention.in_proj_weight[WIDTH:])
        own.to_key_value.bias.copy_(attention.in_proj_bias[WIDTH:])
    return own


def assert_same(mine: Tensor, its: Tensor, inputs: list[Tensor], pairs: list[tuple[Tensor, Tensor]]) -> None:
    """Values and gradients, of the inputs and of paired parameters, to 1e-10."""
    torch.testing.assert_close(mine, its, atol=1e-10, rtol=0)
    upstream = torch.randn(its.shape, generator=torch.Generator().manual_seed(3), dtype=its.dtype)
    my_gradients = torch.autograd.grad(mine, [*inputs, *(a for a, _ in pairs)], upstream, retain_graph=True)
    its_gradients = torch.autograd.grad(its, [*inputs, *(b for _, b in pairs)], upstream)
    for a, b in zip(my_gradients, its_gradients, strict=True):
        torch.testing.assert_close(a, b, atol=1e-10, rtol=0)


def test_a_self_attention_block_is_torchs_pre_norm_layer() -> None:
    torchs, own = torch_encoder_layer(), SelfAttentionBlock(BlockSizes(WIDTH, HEADS)).double()
    copy_self_block(own, torchs)
    x = items(5)
    pairs = [
        (own.forward_block.narrow.weight, torchs.linear2.weight),
        (own.forward_block.narrow.bias, torchs.linear2.bias),
        (own.forward_block.widen.weight, torchs.linear1.weight),
        (own.attention.to_query_key_value.weight, torchs.self_attn.in_proj_weight),
    ]
    assert_same(own(x), torchs(x), [x], pairs)


def test_a_cross_attention_block_is_torchs_pre_norm_decoder_layer() -> None:
    torchs, own = torch_decoder_layer(), CrossAttentionBlock(BlockSizes(WIDTH, HEADS)).double()
    copy_cross_block(own, torchs)
    to_memory = memory_of(torchs)
    x, memory = items(5), items(7, seed=1)
    pairs = [(own.cross.to_output.weight, torchs.multihead_attn.out_proj.weight)]
    assert_same(own(x, to_memory(memory)), torchs(x, memory), [x, memory], pairs)


def test_blocks_of_a_stack_share_what_they_look_at() -> None:
    torchs, own = (
        [torch_decoder_layer(), torch_decoder_layer()],
        CrossAttentionStack(2, BlockSizes(WIDTH, HEADS)).double(),
    )
    randomise(torchs[1])
    with torch.no_grad():
        for part in ("in_proj_weight", "in_proj_bias"):
            first, second = (getattr(layer.multihead_attn, part) for layer in torchs)
            second[WIDTH:] = first[WIDTH:]
    for block, layer in zip(own.blocks, torchs, strict=True):
        copy_cross_block(block, layer)
    own.to_memory.load_state_dict(memory_of(torchs[0]).state_dict())
    x, memory = items(5), items(7, seed=1)
    expected = torchs[1](torchs[0](x, memory), memory)
    torch.testing.assert_close(own(x, memory), own.norm(expected), atol=1e-10, rtol=0)


def test_the_feed_forward_block_is_the_written_out_one() -> None:
    block, x = FeedForward(WIDTH, 3).double(), items(4)
    written = block.narrow(functional.gelu(block.widen(x)))
    pairs = [(p, p) for p in block.parameters()]
    assert_same(block(x), written, [x], pairs)


def test_the_feed_forward_block_keeps_its_hidden_layer_once() -> None:
    block, x = FeedForward(WIDTH, 4).double(), items(4)
    kept: list[tuple[int, ...]] = []

    def note(t: Tensor) -> Tensor:
        kept.append(tuple(t.shape))
        return t

    with torch.autograd.graph.saved_tensors_hooks(note, lambda t: t):
        block(x)
    assert kept.count((2, 4, 4 * WIDTH)) == 1


@pytest.mark.parametrize("stack", [SelfAttentionStack, CrossAttentionStack])
def test_recordings_of_a_batch_do_not_see_each_other(stack: type[nn.Module]) -> None:
    own = stack(2, BlockSizes(WIDTH, HEADS)).double().eval()
    x, memory = items(5).detach(), items(6, seed=1).detach()
    inputs = (x,) if stack is SelfAttentionStack else (x, memory)
    alone = own(*(t[1:] for t in inputs))
    torch.testing.assert_close(own(*inputs)[1:], alone, atol=1e-12, rtol=0)


def test_dropout_acts_in_training_alone() -> None:
    own, x = SelfAttentionStack(1, BlockSizes(WIDTH, HEADS, dropout=0.5)).double(), items(5).detach()
    torch.manual_seed(0)
    assert not torch.equal(own(x), own(x))
    own.eval()
    assert torch.equal(own(x), own(x))


def test_under_autocast_the_blocks_compute_in_low_precision_and_give_full_gradients() -> None:
    own = SelfAttentionStack(1, BlockSizes(WIDTH, HEADS))
    x = items(5).detach().float()
    with torch.autocast("cpu", torch.bfloat16):
        out = own(x)
    out.float().sum().backward()
    weight = own.blocks[0].forward_block.narrow.weight
    assert weight.grad is not None
    assert weight.grad.dtype == torch.float32
    torch.testing.assert_close(out.float(), own(x), atol=0.1, rtol=0.1)
