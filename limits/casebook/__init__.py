"""Cases: situations and what is expected of a policy in them, as TOML files that a credit officer can read.

``reading`` turns files into moments (one user on one day, and what is expected), ``running``
decides the moments of a pack in batches and says which fail, ``mutating`` changes every number
of a policy file by one and says which changes no case notices. ``users`` has the user that a
case starts from.
"""
