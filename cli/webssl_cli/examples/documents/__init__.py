"""Pages of real licences with questions about them, in the layout of DocVQA."""
