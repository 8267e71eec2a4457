"""The card: everything a model says of itself, in model.toml.

manifest holds its sections: card_network, card_preparation, card_inference, card_interpretation and card_critical, of
card_parts and, for an ECG, of ecg_concepts; card_kinds, which go together; card_rules, which critical rules could never
fire; card_mistakes, what is wrong with a card
"""
