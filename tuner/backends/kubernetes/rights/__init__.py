"""What the cluster must allow: the one table of rights, the Role written from it, and whether the credentials have it."""
