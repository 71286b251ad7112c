"""How well the miniature paints, by a judge that was trained on real renders."""
