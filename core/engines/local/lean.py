"""The body of a Llama-like or Gemma-like model for passes of few tokens, in few operations.

transformers' layers take some ninety small operations each, and on a processor a lone step
spends more time between its matrix products than in them. Here the same weights go through
about twenty: queries, keys and values in one product, gate and up in one, heads that share
keys as rows of one attention. The same numbers up to rounding; whoever opens a model checks
that. Knows nothing of documents, of slots or of the output layer.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn import functional

from core.engines.local.fast_products import linear_over

Turn = tuple[torch.Tensor, torch.Tensor]  # cosine and signed sine of the positions
Pause = Callable[[], None]


class NotLean(Exception):
    """A model whose layers are not of the known kind."""


class LeanBody:
    """What ``model.get_decoder()`` computes, from a transformers model of a known kind.

    Raises NotLean for others. The joined weights become the model's own: its layers keep
    views of them, so nothing is held twice.
    """

    def __init__(self, body: Any) -> None:
        if len({weight.device for weight in body.parameters()}) != 1:
            raise NotLean("the layers are on several devices")
        self._embed, self._rotary = body.embed_tokens, body.rotary_emb
        self._by_kind = "layer_type" in inspect.signature(self._rotary.forward).parameters
        kinds = getattr(body.config, "layer_types", None) or [None] * len(body.layers)
        self._layers = [
            _Layer(layer, index, kind)
            for index, (layer, kind) in enumerate(zip(body.layers, kinds, strict=True))
        ]
        self._norm = _norm(body.norm)

    @property
    def linears(self) -> list[torch.nn.Linear]:
        """The layers whose weights every pass reads."""
        return [linear for layer in self._layers for linear in layer.linears]

    def __call__(
        self,
        ids: torch.Tensor,
        positions: torch.Tensor,
        masks: Any,
        cache: Any,
        pause: Pause | None,
    ) -> torch.Tensor:
        """Hidden states [rows, tokens, size] after the last norm.

        ``masks``: added to the scores, [rows, 1, tokens, columns], or one for each kind of
        layer, or None; ``cache``: a transformers Cache; ``pause`` is called before each layer.
        """
        hidden = self._embed(ids)
        turns: dict[Any, Turn] = {}
        wide: dict[Any, torch.Tensor | None] = {}
        for layer in self._layers:
            if pause is not None:
                pause()
            kind = layer.kind
            if kind not in turns:
                turns[kind] = self._turn(hidden, positions, kind)
                mask = masks[kind] if isinstance(masks, dict) else masks
                wide[kind] = layer.for_groups(mask)
            hidden = layer(hidden, turns[kind], wide[kind], cache)
        return self._norm(hidden)

    def _turn(self, hidden: torch.Tensor, positions: torch.Tensor, kind: str | None) -> Turn:
        """Rotary cosine and sine [rows, tokens, 1, head size] of a kind of layer."""
        cos, sin = self._rotary(hidden, positions, *[kind] * self._by_kind)
        half = sin.shape[-1] // 2
        signed = torch.cat((-sin[..., :half], sin[..., half:]), dim=-1)
        return cos.unsqueeze(2), signed.unsqueeze(2)


class _Layer:
    """One decoder layer: attention and feed-forward, with the norms there are."""

    def __init__(self, layer: Any, index: int, kind: str | None) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        if getattr(attention, "attn_logit_softcapping", None) is not None:
            raise NotLean("attention scores are capped")
        self.index, self.kind = index, kind
        self._scale, self._size = attention.scaling, attention.head_dim
        self._n_keys = attention.k_proj.out_features // self._size
        self._n_queries = attention.q_proj.out_features // self._size
        self._qkv = _joined([attention.q_proj, attention.k_proj, attention.v_proj])
        self._out, self._down = _plain(attention.o_proj), _plain(mlp.down_proj)
        self._gate_up, self._act = _joined([mlp.gate_proj, mlp.up_proj]), mlp.act_fn
        self._head_norm = _head_norm(attention, self._n_queries, self._n_keys)
        self._before, names = _norm(layer.input_layernorm), dict(layer.named_children())
        if "pre_feedforward_layernorm" in names:
            self._after: _Norm | None = _norm(layer.post_attention_layernorm)
            self._between = _norm(layer.pre_feedforward_layernorm)
            self._last: _Norm | None = _norm(layer.post_feedforward_layernorm)
        else:
            self._after, self._last = None, None
            self._between = _norm(layer.post_attention_layernorm)

    @property
    def linears(self) -> list[torch.nn.Linear]:
        """Its four products."""
        return [self._qkv, self._out, self._gate_up, self._down]

    def for_groups(self, mask: torch.Tensor | None) -> torch.Tensor | None:
        """A mask for queries that stand in one row for each group of heads sharing keys."""
        if mask is None:
            return None
        n_shared = self._n_queries // self._n_keys
        return mask.repeat(1, 1, n_shared, 1) if mask.shape[2] > 1 else mask

    def __call__(
        self, hidden: torch.Tensor, turn: Turn, mask: torch.Tensor | None, cache: Any
    ) -> torch.Tensor:
        attended = self._attend(self._before(hidden), turn, mask, cache)
        hidden = hidden + (attended if self._after is None else self._after(attended))
        gate, up = self._gate_up.forward(self._between(hidden)).chunk(2, dim=-1)
        fed = self._down.forward(self._act(gate) * up)
        return hidden + (fed if self._last is None else self._last(fed))

    def _attend(
        self, normed: torch.Tensor, turn: Turn, mask: torch.Tensor | None, cache: Any
    ) -> torch.Tensor:
        n_rows, n_tokens, _ = normed.shape
        heads = self._qkv.forward(normed).view(n_rows, n_tokens, -1, self._size)
        n_queries, n_keys, cos, signed_sin = self._n_queries, self._n_keys, *turn
        turned = heads[:, :, : n_queries + n_keys]
        if self._head_norm is not None:
            turned = self._head_norm(turned)
        turned = torch.addcmul(turned * cos, turned.roll(self._size // 2, -1), signed_sin)
        keys, values = cache.update(
            turned[:, :, n_queries:].transpose(1, 2),
            heads[:, :, n_queries + n_keys :].transpose(1, 2),
            self.index,
        )
        # [rows, heads with keys of their own, heads that share them × tokens, size]
        queries = turned[:, :, :n_queries].view(n_rows, n_tokens, n_keys, -1, self._size)
        found = functional.scaled_dot_product_attention(
            queries.permute(0, 2, 3, 1, 4).reshape(n_rows, n_keys, -1, self._size),
            keys,
            values,
            attn_mask=mask,
            scale=self._scale,
        )
        found = found.view(n_rows, n_keys, -1, n_tokens, self._size).permute(0, 3, 1, 2, 4)
        return self._out.forward(found.reshape(n_rows, n_tokens, -1))


class _Norm:
    """Root-mean-square norm in float32: rows over their length, times gains.

    The same as transformers' own, with half as many operations.
    """

    def __init__(self, gains: torch.Tensor, eps: float) -> None:
        size = gains.shape[-1]
        self._gains = gains * size**0.5
        self._least = torch.tensor((size * eps) ** 0.5, device=gains.device)

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        length = torch.linalg.vector_norm(rows, dim=-1, keepdim=True, dtype=torch.float32)
        normed: torch.Tensor = rows * self._gains
        return normed.div_(torch.hypot(length, self._least)).to(rows.dtype)


def _norm(norm: Any) -> _Norm:
    """That of a norm module; Llama's weight is its gain, Gemma's is one less."""
    return _Norm(_gain(norm), _eps(norm))


def _head_norm(attention: Any, n_queries: int, n_keys: int) -> _Norm | None:
    """The norms of queries and keys, each head by itself, in one go; None where there are none."""
    if not hasattr(attention, "q_norm"):
        return None
    gains = [_gain(attention.q_norm)] * n_queries + [_gain(attention.k_norm)] * n_keys
    return _Norm(torch.stack(gains), _eps(attention.q_norm))


@torch.no_grad()
def _gain(norm: Any) -> torch.Tensor:
    """What a norm multiplies by, float32: its weight, or one more; a row of ones tells."""
    weight: torch.Tensor = norm.weight.detach().float()
    of_ones = norm(torch.ones_like(weight))
    return min((weight, 1 + weight), key=lambda gain: float((gain - of_ones).abs().max()))


def _eps(norm: Any) -> float:
    return float(norm.variance_epsilon if hasattr(norm, "variance_epsilon") else norm.eps)


def _plain(linear: Any) -> torch.nn.Linear:
    """The layer itself, by a name of ours: a way of its own is not given to the model's."""
    return _joined([linear])


@torch.no_grad()
def _joined(linears: Sequence[Any]) -> torch.nn.Linear:
    """One linear layer whose output is that of several, one after the other."""
    if any(type(linear) is not torch.nn.Linear or linear.weight.is_meta for linear in linears):
        raise NotLean("a layer's products are not plain linear layers in memory")
    n_out = [linear.out_features for linear in linears]
    bias = None if linears[0].bias is None else _one(linears, "bias", n_out)
    return linear_over(_one(linears, "weight", n_out), bias)


def _one(linears: Sequence[Any], name: str, n_out: Sequence[int]) -> torch.Tensor:
    """Their weights or biases in one block, of which they get views."""
    if len(linears) == 1:
        return getattr(linears[0], name)  # type: ignore[no-any-return]
    block = torch.cat([getattr(linear, name).detach() for linear in linears])
    for linear, part in zip(linears, torch.split(block, list(n_out)), strict=True):
        setattr(linear, name, torch.nn.Parameter(part, requires_grad=False))
    return block
