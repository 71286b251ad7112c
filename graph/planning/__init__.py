"""From a workflow to a plan: types, values, order, content keys, what runs and what is reused."""
