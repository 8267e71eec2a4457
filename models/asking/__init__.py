"""Networks are asked. In reading order:

inference       the order in which (sliding_window: window by window; slice_by_slice)
answers         what an answer means, by the card's kind
network_shapes  what shapes a network will be given
"""
