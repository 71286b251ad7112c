"""Which files a workflow may read, and what is remembered of them."""
