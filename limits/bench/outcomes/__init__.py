"""What became of users whom a review raises, held and lowered, beside rules that a lender might use instead."""
