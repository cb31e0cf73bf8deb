"""How files become Images: one way of laying out a data set a file."""
