"""What the operator does with each kind of the API: one file a kind, and one list of them."""
