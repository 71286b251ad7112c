"""The tiny checkpoint that ships, and how it was made: scenes, training, and the judge of what it paints."""

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
METRICS = Path(__file__).parent / "metrics"
