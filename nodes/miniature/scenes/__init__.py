"""The miniature's world: scenes, how they are rendered, and what is said of them."""
