"""One file a task; a file here is found by itself (taujp.data.all_tasks)."""
