"""The engine: typed nodes, workflow files, plans, cache, runs.

From Python:

    import graph

    pictures = graph.load("workflows/text_to_image.json").run(prompt="a red cube on grass")

It knows nothing of pictures, nor of the rooms above it.
"""

from graph.problems import InvalidWorkflow, Problem
from graph.program import Program, RunFailed, load

__all__ = ["InvalidWorkflow", "Problem", "Program", "RunFailed", "load"]
