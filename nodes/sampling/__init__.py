"""From noise to latents and embeds: the denoising loop, the prior loop, and what they share."""
