"""Real clients, in processes of their own, against a real broker on a real port."""
