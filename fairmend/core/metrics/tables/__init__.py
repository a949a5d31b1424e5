"""Tables of counts, and the checks of what goes into them."""
