"""Pictures of training: what happened, and what the network has learned. Needs matplotlib, which it loads when used.

Every function returns a figure that belongs to nobody (pyplot does not know it) and that a notebook shows; ``ax=``
draws into axes that are there, and ``path=`` saves as PNG, SVG or PDF.
"""

from nn.plots.boundary import boundary_strip as boundary_strip, decision_boundary as decision_boundary
from nn.plots.curves import compare_runs as compare_runs, learning_curves as learning_curves
from nn.plots.film import boundary_film as boundary_film
from nn.plots.landscape import loss_surface as loss_surface, surface as surface
from nn.plots.layers import (
    dead_units as dead_units,
    gradient_norms as gradient_norms,
    update_ratios as update_ratios,
)
from nn.plots.look import bare as bare, lines as lines, panels as panels, plain as plain
from nn.plots.recorder import Recorder as Recorder
from nn.plots.ridges import distributions as distributions
from nn.plots.tiles import confusion_matrix as confusion_matrix, filters as filters, images as images
