"""The card: everything a model says of itself, in model.toml.

manifest holds its sections: card_network, card_preparation, card_inference, card_interpretation and card_critical, of
card_parts; card_mistakes, what is wrong with one
"""
