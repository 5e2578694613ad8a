"""Numba: gradients and objectives of networks of dense layers with a softmax at the end, ReLU between.

x holds the layers one after the other: of each the weights, one row an output, then the biases if there are
any. `parameters` are l2, 1 or 0 for biases, and the sizes of the layers, input and classes included. Targets
are the numbers of the classes.
"""

from __future__ import annotations

import math

import numpy as np

from .._jit import REORDER, inner_njit, lazy_njit
from .cpu import _add, _dot, _scale
from .types import GRADIENT, OBJECTIVE


@inner_njit(fastmath=REORDER)
def _layer(W, bias, a, is_last, out):
    """Set out to W a + bias (none if empty), negative entries to zero but in the last layer."""
    for r in range(out.size):
        value = _dot(W[r * a.size : (r + 1) * a.size], a)
        if bias.size > 0:
            value += bias[r]
        out[r] = 0.0 if value < 0.0 and not is_last else value


@inner_njit()
def forward(x, sizes, has_bias, a, values):
    """Fill `values` with the outputs of all layers on the sample a, one after the other."""
    n_layers = sizes.size - 1
    begin = 0
    done = 0
    before = a
    for layer in range(n_layers):
        inputs, outputs = sizes[layer], sizes[layer + 1]
        middle = begin + inputs * outputs
        end = middle + outputs * has_bias
        out = values[done : done + outputs]
        _layer(x[begin:middle], x[middle:end], before, layer == n_layers - 1, out)
        before = out
        begin = end
        done += outputs


@inner_njit()
def _log_sum_exp(logits):
    largest = -np.inf
    for c in range(logits.size):
        largest = max(largest, logits[c])
    total = 0.0
    for c in range(logits.size):
        total += math.exp(logits[c] - largest)
    return largest + math.log(total)


@inner_njit()
def _backward(x, sizes, has_bias, a, values, slopes, out):
    """Add the gradient of one sample to `out`; `slopes` ends with that in the last layer's values."""
    n_layers = sizes.size - 1
    end = x.size
    done = values.size
    for layer in range(n_layers - 1, -1, -1):
        inputs, outputs = sizes[layer], sizes[layer + 1]
        middle = end - outputs * has_bias
        begin = middle - inputs * outputs
        done -= outputs
        slope = slopes[done : done + outputs]
        before = a if layer == 0 else values[done - inputs : done]
        for r in range(outputs):
            if slope[r] != 0.0:
                _add(slope[r], before, out[begin + r * inputs : begin + (r + 1) * inputs])
        for r in range(outputs * has_bias):
            out[middle + r] += slope[r]
        if layer > 0:
            below = slopes[done - inputs : done]
            below[:] = 0.0
            for r in range(outputs):
                if slope[r] != 0.0:
                    _add(slope[r], x[begin + r * inputs : begin + (r + 1) * inputs], below)
            for c in range(inputs):
                if not before[c] > 0.0 and before[c] == before[c]:  # NaN goes on
                    below[c] = 0.0
        end = begin


@inner_njit()
def _layer_sizes(parameters):
    sizes = np.empty(parameters.size - 2, np.int64)
    for k in range(sizes.size):
        sizes[k] = np.int64(parameters[k + 2])
    return sizes


@lazy_njit(GRADIENT)
def layers_gradient(node, x, rows, data, out):
    """Write the mean gradient of the cross entropy over the rows (or the batch) + l2 x to `out`."""
    sizes = _layer_sizes(data.parameters)
    has_bias = np.int64(data.parameters[1])
    begin = data.offsets[node]
    A = data.features[begin : data.offsets[node + 1]]
    labels = data.targets[begin : data.offsets[node + 1]]
    is_full = rows.size == 0
    m = A.shape[0] if is_full else rows.size
    total = sizes[1:].sum()
    values, slopes = np.empty(total), np.empty(total)
    classes = sizes[-1]
    _scale(data.parameters[0], x, out)
    for k in range(m):
        j = k if is_full else rows[k]
        forward(x, sizes, has_bias, A[j], values)
        logits = values[total - classes :]
        level = _log_sum_exp(logits)
        for c in range(classes):
            slopes[total - classes + c] = math.exp(logits[c] - level) / m
        slopes[total - classes + np.int64(labels[j])] -= 1.0 / m
        _backward(x, sizes, has_bias, A[j], values, slopes, out)


@lazy_njit(OBJECTIVE)
def layers_objective(node, x, data):
    """Return the mean cross entropy over the node's rows + l2/2 |x|^2."""
    sizes = _layer_sizes(data.parameters)
    has_bias = np.int64(data.parameters[1])
    begin, end = data.offsets[node], data.offsets[node + 1]
    total = sizes[1:].sum()
    values = np.empty(total)
    loss = 0.0
    for j in range(begin, end):
        forward(x, sizes, has_bias, data.features[j], values)
        logits = values[total - sizes[-1] :]
        loss += _log_sum_exp(logits) - logits[np.int64(data.targets[j])]
    value = loss / (end - begin)
    l2 = data.parameters[0]
    if l2 > 0.0:  # 0 * |x|^2 would be NaN once |x|^2 overflows
        value += 0.5 * l2 * _dot(x, x)
    return value
