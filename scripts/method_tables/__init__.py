"""Every data-free merge method on the demo's four tasks: figures, tables and a picture."""
