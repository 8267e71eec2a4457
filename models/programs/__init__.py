"""What runs in a process of its own, within bounds: models that come as Python code. In reading order:

code_model       runs one, in a process of its own: code_child, bounded_process
answer_file      what it leaves
"""
