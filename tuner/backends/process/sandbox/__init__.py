"""Where processes are locked in: a seam (`model`), and a module for each mechanism that limits CPU and memory."""
