"""A trained ReLU network as a spiking network in time, without training.

convert(model, images, steps=T) -> Unroll    thresholds by data, pre-charge, delayed evaluation
run_by_steps(network, batches) -> BySteps    the scores of every T and t_d, the spikes of each step

``s3nn.spikify`` is something else: a network of one step that wants training.
"""

from s3nn.conversion.network import convert
from s3nn.conversion.reading import readers
from s3nn.conversion.scales import activation_scales
from s3nn.conversion.steps import BySteps, Score, best_delay, run_by_steps, scores_by_steps, settled

__all__ = [
    "BySteps",
    "Score",
    "activation_scales",
    "best_delay",
    "convert",
    "readers",
    "run_by_steps",
    "scores_by_steps",
    "settled",
]
