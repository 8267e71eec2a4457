"""Which runtime and precision a model may use on this machine. In reading order:

runtime_choice     the first of the site's order that gives the golden answers
checking           golden inputs (golden: how they are made) prove a model
network_agreement  whether its networks are what the card says (network_answer, of what they answer)
builds             lower precisions (precision), used only where they were measured; benching, how fast they are
"""
