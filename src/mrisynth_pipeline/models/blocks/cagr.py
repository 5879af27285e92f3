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
        weight: A kernel with equal sizes along its axes.
        offsets: Roll of each group in taps, in the order of the kernel's axes.
        scales: Factor λ on each group.
        wrap: True rolls; False shifts and lets zeros come in (the control).
    """
    n_out, n_in, *kernel = weight.shape
    matrices = blend_matrices(offsets, kernel[0], wrap) * scales[..., None, None]
    groups = offsets.shape[1]
    grouped = weight.reshape(n_out, groups, n_in // groups, -1)
    rolled = torch.einsum("bgpq,ogiq->bogip", matrices, grouped)
    return rolled.reshape(-1, n_out, n_in, *kernel)


class CAGRConv(nn.Module):
    """A convolution that weighs its input channels and rolls its kernel, both by what the sample shows.

    *Cross Group Attention* (the paper's): descriptors of n contiguous channel groups by global average pooling, beside
    them the same descriptors shuffled across groups, a 1×1 convolution and a sigmoid give a weight per channel;
    irrelevant contrasts are damped before rolling. *Group-wise Rolling* (the paper's): per sample and group an offset
    and a scale λ; the kernel's slice of the group is rolled inside its window by the offset and multiplied by λ, see
    :func:`roll_kernels`.

    What the paper leaves open and is ours: the 1×1 convolution is grouped by n. The routing function is depthwise 3×3,
    LayerNorm over channels, ReLU, global average pooling, dropout and two linear heads: offsets by softsign, without
    bias, bounded to ±(k − 1)/2; λ by 2·sigmoid. All heads start small and the attention starts at 0.88, so
    that a new layer is nearly a plain convolution.

    Weight and bias are named and initialised as those of ``nn.Conv2d`` and ``nn.Conv3d``, whose place this takes.

    Args:
        spatial_dims: 2 or 3.
        in_channels: Input channels; n_groups must divide them.
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
        ValueError: If n_groups does not divide in_channels, or the kernel size is even.
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
        self.n_groups, self.rolling, self.dropout = n_groups, rolling, dropout
        if attention:
            self.attention = nn.Conv1d(2 * in_channels, in_channels, 1, groups=n_groups)
            nn.init.normal_(self.attention.weight, std=0.1 * in_channels**-0.5)
            nn.init.constant_(self.attention.bias, 2.0)
        else:
            self.attention = None
        if rolling != "none":
            self.depthwise = layer(in_channels, in_channels, 3, padding=1, groups=in_channels, bias=False)
            self.norm = nn.LayerNorm(in_channels)
            self.scale_head = nn.Linear(in_channels, n_groups)
            nn.init.normal_(self.scale_head.weight, std=0.1 * in_channels**-0.5)
            nn.init.zeros_(self.scale_head.bias)
        if rolling in ("circular", "zero_fill"):
            self.offset_head = nn.Linear(in_channels, n_groups * spatial_dims, bias=False)
            nn.init.normal_(self.offset_head.weight, std=0.1 * in_channels**-0.5)

    def attend(self, x: Float[Tensor, "batch channel *spatial"]) -> Float[Tensor, "batch channel"]:
        """Cross Group Attention: the weight of every input channel, in (0, 1); all ones without attention."""
        pooled = x.flatten(2).mean(2, dtype=torch.promote_types(x.dtype, torch.float32))
        if self.attention is None:
            return torch.ones_like(pooled)
        with torch.autocast(x.device.type, enabled=False):
            intra = pooled.unflatten(1, (self.n_groups, -1))
            inter = intra.transpose(1, 2).reshape_as(intra)
            both = torch.cat([intra, inter], dim=2).flatten(1)
            return torch.sigmoid(self.attention(both[..., None])[..., 0])

    def route(
        self, x: Float[Tensor, "batch channel *spatial"]
    ) -> tuple[Float[Tensor, "batch group dims"], Float[Tensor, "batch group"]]:
        """Offset (in taps, in the order of the spatial axes) and scale λ of every group for this input."""
        return self._route(x, self.attend(x))

    def _route(self, x: Tensor, attention: Tensor) -> tuple[Tensor, Tensor]:
        if self.rolling == "none":
            return attention.new_zeros(len(x), self.n_groups, self.spatial_dims), attention.new_ones(
                len(x), self.n_groups
            )
        # A depthwise convolution of x ⊙ A is A times that of x: x ⊙ A itself is never written to memory.
        features = self.depthwise(x) * attention.reshape(*attention.shape, *(1,) * self.spatial_dims)
        features = functional.relu(self.norm(features.movedim(1, -1)))
        pooled = features.flatten(1, -2).mean(1, dtype=attention.dtype)
        with torch.autocast(x.device.type, enabled=False):
            pooled = functional.dropout(pooled, self.dropout, self.training)
            scales = 2 * torch.sigmoid(self.scale_head(pooled))
            if self.rolling == "frozen":
                return scales.new_zeros(*scales.shape, self.spatial_dims), scales
            offsets = functional.softsign(self.offset_head(pooled)).unflatten(1, (self.n_groups, self.spatial_dims))
            return offsets * ((self.kernel_size - 1) / 2), scales

    def forward(self, x: Float[Tensor, "batch channel *spatial"]) -> Float[Tensor, "batch out *size"]:
        """Convolve every sample with its own kernel."""
        attention = self.attend(x)
        offsets, scales = self._route(x, attention)
        batch, channels = x.shape[:2]
        # Weight [out, in/groups, *k] as [out/groups, in, *k]: slices belong to input channels, also in a grouped one.
        by_input = self.weight.unflatten(0, (self.groups, -1)).transpose(0, 1).flatten(1, 2)
        with torch.autocast(x.device.type, enabled=False):
            kernels = roll_kernels(by_input.to(offsets.dtype), offsets, scales, wrap=self.rolling != "zero_fill")
            kernels = kernels * attention.reshape(batch, 1, channels, *(1,) * self.spatial_dims)
        kernels = kernels.unflatten(2, (self.groups, -1)).transpose(1, 2)  # batch groups out/groups in/groups *k
        bias = None if self.bias is None else self.bias.repeat(batch)
        convolved = self.convolution(
            x.reshape(1, batch * channels, *x.shape[2:]),
            kernels.flatten(0, 2),
            bias,
            self.stride,
            self.padding,
            self.dilation,
            groups=batch * self.groups,
        )
        return convolved.reshape(batch, -1, *convolved.shape[2:])
