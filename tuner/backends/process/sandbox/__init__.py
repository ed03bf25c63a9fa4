"""Where processes are locked in: a seam (`model`), and one module for each mechanism that limits CPU and memory here."""
