"""Tables of the documentation, made from the code. In reading order:

settings_reference     what may be set; settings_example, all of it with comments
card_reference         what a card may say
conformance_reference  the conformance statement (conformance_activities, conformance_acceptances, conformance_annexes,
                       coded_terms); source_reference and security_reference, parts of it
generated_section      where a table stands; markdown, how
"""
