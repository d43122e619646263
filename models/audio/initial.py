"""Initial weights as Keras draws them, for nets that were published in Keras.

Torch's own are smaller by the square root of three and have random biases. Under Adam's default
rate that decides everything in window-m2: its dense layer sums 3,000 rectified values, so the first
step moves every unit by several times its range, and the steps that undo it push all sixteen maps
of the second convolution below zero, from where a ReLU does not return: the output is one constant
(measured: eight steps; with Keras's weights, and at 3e-4, the maps live and the net learns).
"""

from torch import nn

__all__ = ["as_keras"]


def as_keras(net: nn.Module) -> None:
    """Draw all weights anew: Glorot uniform, orthogonal recurrent ones, zero biases.

    The forget gate of an LSTM starts at 1. Numbers come from torch's global generator.
    """
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.LSTM | nn.GRU):
            for name, weight in layer.named_parameters():
                if name.startswith("weight_ih"):
                    nn.init.xavier_uniform_(weight)
                elif name.startswith("weight_hh"):
                    nn.init.orthogonal_(weight)
                else:
                    nn.init.zeros_(weight)
                    if isinstance(layer, nn.LSTM) and name.startswith("bias_ih"):
                        units = layer.hidden_size
                        nn.init.ones_(weight[units : 2 * units])
