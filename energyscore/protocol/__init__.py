"""What to do: tasks, models, workloads, datasets, bundled architectures, reference scales."""
