"""`limits bench nightly`: a whole nightly review of made-up users, and what it costs beside its floor.

mixture     made-up users as arrays            generator   loads them into the product's own tables
slices      the same for a small disk, packed   home        a database of the benchmark's own
running     the review by worker processes     checks      what must hold before a figure is printed
floor       the same bytes with no computation naive       the design with a loop over users
figures     what was measured, as table and JSON           measuring   all of it, in one run
"""
