"""The stages of Kandinsky, one node a file."""
