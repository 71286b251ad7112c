"""Pictures as arrays: reading, resizing, masks, and what CLIP and DPT see."""
