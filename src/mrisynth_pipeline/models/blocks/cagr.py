"""CAGR: cross-group attention and group-wise rolling, AGI-Net's k×k convolution (arXiv 2411.14684)."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

Rolling = Literal["circular", "zero_fill", "frozen", "none"]


def roll_matrices(
    offsets: Float[Tensor, "batch group dims"], size: int, wrap: bool = True
) -> Float[Tensor, "batch group dims size size"]:
    """The matrices C(Δ) that roll an axis of ``size`` taps by a real number, interpolating linearly.

    Row = tap after rolling, column = tap before: between the integers i and i + 1 the matrix is the blend of their two
    permutations. At an integer, where the blend has a kink, the gradient is that of the side above.

    Args:
        offsets: Δ, in taps.
        size: Taps k of the axis.
        wrap: What leaves at one end comes in at the other; else zeros come in.
    """
    below = offsets.detach().floor()
    fraction = (offsets - below)[..., None, None]
    taps = torch.arange(size, device=offsets.device)
    distance = (taps[:, None] - taps) - below[..., None, None]
    if wrap:
        distance = distance.remainder(size)
        at_next = (distance - 1).remainder(size) == 0
    else:
        at_next = distance == 1
    return (distance == 0) * (1 - fraction) + at_next * fraction


def blend_matrices(
    offsets: Float[Tensor, "batch group dims"], size: int, wrap: bool = True
) -> Float[Tensor, "batch group taps taps"]:
    """One matrix for a whole k×k (×k) window: the Kronecker product of its axes' :func:`roll_matrices`."""
    first, *others = roll_matrices(offsets, size, wrap).unbind(2)
    for other in others:
        first = torch.einsum("bgij,bgkl->bgikjl", first, other).flatten(4, 5).flatten(2, 3)
    return first


def apply_matrices(
    weight: Float[Tensor, "out in *kernel"],
    matrices: Float[Tensor, "batch group taps taps"],
    gains: Float[Tensor, "batch in"],
) -> Float[Tensor, "batch out in *kernel"]:
    """Every sample's kernel: each input channel's slice times its group's matrix, times the channel's gain."""
    n_out, n_in, *kernel = weight.shape
    batch, groups, taps, _ = matrices.shape
    # The gains go into the small matrices. One product per input channel, with [out, taps] and all samples' matrices.
    per_channel = matrices.repeat_interleave(n_in // groups, dim=1) * gains[..., None, None]
    columns = per_channel.permute(1, 3, 0, 2).reshape(n_in, taps, batch * taps)
    products = torch.bmm(weight.flatten(2).transpose(0, 1), columns)
    return products.reshape(n_in, n_out, batch, *kernel).movedim(2, 0).transpose(1, 2)


def roll_kernels(
    weight: Float[Tensor, "out in *kernel"],
    offsets: Float[Tensor, "batch group dims"],
    scales: Float[Tensor, "batch group"],
    wrap: bool = True,
) -> Float[Tensor, "batch out in *kernel"]:
    """Roll the kernel slice of every group of input channels, per sample.

    By real offsets: the four (3D: eight) rolls by the neighbouring integers, blended bi- (tri-)linearly. That equals
    C(Δy)·W·C(Δx)ᵀ with the circulant matrices of :func:`roll_matrices`.

    Args:
        weight: A kernel with equal sizes along its axes; the groups are contiguous and equal parts of its input.
        offsets: Roll of each group in taps, in the order of the kernel's axes.
        scales: Factor λ on each group.
        wrap: True rolls; False shifts and lets zeros come in (the control).
    """
    gains = scales.repeat_interleave(weight.shape[1] // scales.shape[1], dim=1)
    return apply_matrices(weight, blend_matrices(offsets, weight.shape[2], wrap), gains)


class CAGRConv(nn.Module):
    """A convolution that weighs its input channels and rolls its kernel, both by what the sample shows.

    *Cross Group Attention* (the paper's): descriptors of n contiguous channel groups by global average pooling, beside
    them the same descriptors shuffled across groups, a 1×1 convolution and a sigmoid give a weight per channel, so
    that irrelevant contrasts are damped before rolling. *Group-wise Rolling* (the paper's): per sample and group an
    offset and a scale λ; the kernel's slice of the group is rolled inside its window by the offset and multiplied by
    λ, see :func:`roll_kernels`.

    What the paper leaves open and is ours: the 1×1 convolution is grouped by n. The routing function is depthwise 3×3,
    LayerNorm over the channels of each position, ReLU, global average pooling, dropout and two linear heads: offsets by
    softsign, without bias, bounded to ±(k − 1)/2 taps; λ by 2·sigmoid. The average is taken over every second position
    along each axis, which a quarter (3D: an eighth) of the work estimates well enough. The heads start small but not
    at zero, where the interpolation has its kink, and the attention starts at 0.88: a new layer is nearly a plain
    convolution.

    Neither x ⊙ A nor anything else of the size of x is written to memory: attention and λ go into the kernels, and one
    convolution, with the samples of the batch as its groups, does the rest.

    Weight and bias are named and initialised as those of ``nn.Conv2d`` and ``nn.Conv3d``, whose place this takes.

    Args:
        spatial_dims: 2 or 3.
        in_channels: Input channels; ``n_groups`` must divide them.
        out_channels: Output channels.
        kernel_size: Taps per axis, odd.
        stride: As of a convolution.
        padding: As of a convolution.
        dilation: As of a convolution.
        groups: As of a convolution; ``in_channels`` for a depthwise one.
        bias: As of a convolution.
        n_groups: Groups n of input channels that share an offset and a scale.
        attention: Whether there is cross-group attention.
        rolling: ``circular`` is the paper's; controls: ``zero_fill`` shifts and lets zeros come in, ``frozen`` keeps
            all offsets at zero (λ is still learned), ``none`` has no routing at all.
        dropout: On the pooled features before the heads.

    Raises:
        ValueError: If ``n_groups`` does not divide ``in_channels``, or the kernel size is even.
    """

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        n_groups: int = 4,
        attention: bool = True,
        rolling: Rolling = "circular",
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        if in_channels % n_groups:
            raise ValueError(f"n_groups={n_groups} does not divide the {in_channels} input channels of a CAGR layer")
        if kernel_size % 2 == 0:
            raise ValueError(f"a kernel that is rolled about its centre needs an odd size, got {kernel_size}")
        self.convolution = {2: functional.conv2d, 3: functional.conv3d}[spatial_dims]
        layer = {2: nn.Conv2d, 3: nn.Conv3d}[spatial_dims]
        plain = layer(in_channels, out_channels, kernel_size, groups=groups, bias=bias)
        self.weight, self.bias = plain.weight, plain.bias
        self.spatial_dims, self.kernel_size = spatial_dims, kernel_size
        self.stride, self.padding, self.dilation, self.groups = stride, padding, dilation, groups
        self.n_groups, self.attention, self.rolling, self.dropout = n_groups, attention, rolling, dropout
        small = 0.1 * in_channels**-0.5
        if attention:
            size = in_channels // n_groups
            self.attention_weight = nn.Parameter(torch.randn(n_groups, 2 * size, size) * small)
            self.attention_bias = nn.Parameter(torch.full((n_groups, 1, size), 2.0))
        if rolling != "none":
            self.depthwise = layer(in_channels, in_channels, 3, groups=in_channels, bias=False).weight
            self.norm = nn.LayerNorm(in_channels)
            self.scale_head = nn.Linear(in_channels, n_groups)
            nn.init.normal_(self.scale_head.weight, std=small)
            nn.init.zeros_(self.scale_head.bias)
        if rolling in ("circular", "zero_fill"):
            self.offset_head = nn.Linear(in_channels, n_groups * spatial_dims, bias=False)
            nn.init.normal_(self.offset_head.weight, std=small)

    def attend(self, x: Float[Tensor, "batch channel *spatial"]) -> Float[Tensor, "batch channel"]:
        """Cross Group Attention: the weight of every input channel, in (0, 1); all ones where it is switched off."""
        if not self.attention:
            return x.new_ones(x.shape[:2], dtype=_at_least_single(x))
        pooled = x.flatten(2).mean(2, dtype=_at_least_single(x))
        with torch.autocast(x.device.type, enabled=False):
            intra = pooled.unflatten(1, (self.n_groups, -1))
            # ShuffleNet's shuffle: every group gets one channel of each, or of some where it has fewer than n.
            inter = intra.transpose(1, 2).reshape_as(intra)
            # The grouped 1×1 convolution, as one product per group.
            both = torch.cat([intra, inter], dim=2).transpose(0, 1)
            scores = torch.baddbmm(self.attention_bias, both, self.attention_weight)
            return torch.sigmoid(scores).transpose(0, 1).flatten(1)

    def route(
        self, x: Float[Tensor, "batch channel *spatial"], attention: Float[Tensor, "batch channel"] | None = None
    ) -> tuple[Float[Tensor, "batch group dims"], Float[Tensor, "batch group"]]:
        """Offset (in taps, in the order of the spatial axes) and scale λ of every group.

        Args:
            x: The layer's input.
            attention: Its weights, where :meth:`attend` was called before.
        """
        attention = self.attend(x) if attention is None else attention
        if self.rolling == "none":
            scales = attention.new_ones(len(x), self.n_groups)
            return scales.new_zeros(*scales.shape, self.spatial_dims), scales
        # The attention goes into the kernels: x ⊙ A itself is never written to memory.
        kernels = (attention.reshape(*attention.shape, *(1,) * (1 + self.spatial_dims)) * self.depthwise).flatten(0, 1)
        features = self.convolution(_as_one_sample(x), kernels, None, 2, 1, groups=len(kernels))
        features = features.reshape(*x.shape[:2], -1).transpose(1, 2)
        features = functional.relu(self.norm(features))
        pooled = features.mean(1, dtype=attention.dtype)
        with torch.autocast(x.device.type, enabled=False):
            pooled = functional.dropout(pooled, self.dropout, self.training)
            scales = 2 * torch.sigmoid(self.scale_head(pooled))
            if self.rolling == "frozen":
                return scales.new_zeros(*scales.shape, self.spatial_dims), scales
            offsets = functional.softsign(self.offset_head(pooled)).unflatten(1, (self.n_groups, self.spatial_dims))
            return offsets * ((self.kernel_size - 1) / 2), scales

    def forward(self, x: Float[Tensor, "batch channel *spatial"]) -> Float[Tensor, "batch out *size"]:
        """Convolve every sample with its own kernel."""
        batch, channels = x.shape[:2]
        if self.rolling == "none":
            if self.attention:
                x = x * self.attend(x).to(x.dtype).reshape(batch, channels, *(1,) * self.spatial_dims)
            return self._convolve(x, self.weight, self.bias, self.groups)
        attention = self.attend(x)
        offsets, scales = self.route(x, attention)
        with torch.autocast(x.device.type, enabled=False):
            matrices = blend_matrices(offsets, self.kernel_size, wrap=self.rolling != "zero_fill")
            gains = attention * scales.repeat_interleave(channels // self.n_groups, dim=1)
            # [out, in / groups, *k] → [out / groups, in, *k]: so slices belong to input channels, depthwise ones too.
            by_input = self.weight.unflatten(0, (self.groups, -1)).transpose(0, 1).flatten(1, 2)
            kernels = apply_matrices(by_input, matrices, gains)
            kernels = kernels.unflatten(2, (self.groups, -1)).transpose(1, 2).flatten(0, 2)
        bias = None if self.bias is None else self.bias.repeat(batch)
        convolved = self._convolve(_as_one_sample(x), kernels, bias, batch * self.groups)
        return convolved.reshape(batch, -1, *convolved.shape[2:])

    def _convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None, groups: int) -> Tensor:
        return self.convolution(x, weight, bias, self.stride, self.padding, self.dilation, groups)


def _as_one_sample(x: Tensor) -> Tensor:
    """The batch as one sample with all its channels: a convolution then takes the samples as groups."""
    return x.reshape(1, -1, *x.shape[2:])


def _at_least_single(x: Tensor) -> torch.dtype:
    """Half precision becomes single, double stays double."""
    return torch.promote_types(x.dtype, torch.float32)
