"""A trained ReLU network as a spiking network in time, without training.

convert(model, images, steps=T) -> Unroll        thresholds by data, pre-charge, delayed evaluation
run_by_steps(network, batches) -> BySteps        the outputs and spikes of every step
delayed_accuracy(outputs, labels)                at every T and t_d

``s3nn.spikify`` is something else: a network of one step that wants training.
"""

from s3nn.conversion.network import convert
from s3nn.conversion.reading import readers
from s3nn.conversion.scales import activation_scales
from s3nn.conversion.steps import BySteps, best_delay, delayed_accuracy, run_by_steps, settled

__all__ = [
    "BySteps",
    "activation_scales",
    "best_delay",
    "convert",
    "delayed_accuracy",
    "readers",
    "run_by_steps",
    "settled",
]
