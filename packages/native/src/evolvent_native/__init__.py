"""Solves as machine code: the compiler that is one more array namespace."""
