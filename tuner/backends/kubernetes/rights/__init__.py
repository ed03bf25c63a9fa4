"""What the cluster must allow: the one table of rights, the Role made of it, and whether the credentials have them."""
