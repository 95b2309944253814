"""Moments: exact sums of numerators and denominators, and of their products."""

import numpy as np

from app.core.columns import FloatArray, IntArray
from app.core.sums.exact import exact_dot, exact_power_sums, exact_sum
from app.core.sums.segments import segment_sums
from app.core.sums.state import Moments


def moments_of_rows(matrix: FloatArray, pairs: tuple[tuple[int, int], ...], weight: int) -> list[Moments]:
    """Moments of pairs."""
    found = []
    for z_row, v_row in pairs:
        z, v = matrix[z_row], matrix[v_row] if v_row >= 0 else np.ones(matrix.shape[1])
        finite = np.isfinite(z)
        weighs = matrix[weight] > 0 if weight >= 0 else np.True_
        n = int(np.count_nonzero(finite & weighs & (v > 0.0)))
        n_infinite, n_undefined = int(np.count_nonzero(np.isinf(z))), int(np.count_nonzero(np.isnan(z)))
        if not finite.all():
            z, v = np.where(finite, z, 0.0), np.where(finite, v, 0.0)
        (zs, zz), (vs, vv) = exact_power_sums(z), exact_power_sums(v)
        found.append(Moments(n, n_infinite, zs, vs, zz, exact_dot(z, v), vv, n_undefined))
    return found


def clustered_moments(matrix: FloatArray, pair: tuple[int, int], weight: int, codes: IntArray) -> Moments:
    """The moments in which n counts clusters; products are those of sums within clusters, each rounded once.

    Args:
        codes: (n,) cluster of each row, those of a cluster side by side.
    """
    z, v = matrix[pair[0]], matrix[pair[1]] if pair[1] >= 0 else np.ones(matrix.shape[1])
    finite = np.isfinite(z)
    weighs = finite & (v > 0.0) if weight < 0 else finite & (v > 0.0) & (matrix[weight] > 0.0)
    n_infinite, n_undefined = int(np.count_nonzero(np.isinf(z))), int(np.count_nonzero(np.isnan(z)))
    z, v = np.where(finite, z, 0.0), np.where(finite, v, 0.0)
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    n = int(np.count_nonzero(np.logical_or.reduceat(weighs, starts)))
    z_sums, v_sums, places = segment_sums(z, starts), segment_sums(v, starts), 0
    if not np.isfinite(z_sums).all():
        z_sums, places = segment_sums(np.ldexp(z, -64), starts), 64  # in units in which doubles hold the sums
    (_, zz), (_, vv) = exact_power_sums(z_sums), exact_power_sums(v_sums)
    products = zz << 2 * places, exact_dot(z_sums, v_sums) << places, vv
    return Moments(n, n_infinite, exact_sum(z), exact_sum(v), *products, n_undefined)
