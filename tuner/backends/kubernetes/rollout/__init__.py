"""Objects that are to stay, for `tune apply`: what changes, following it, and the way back."""
