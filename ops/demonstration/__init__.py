"""Real studies through everything. In reading order:

demo         all of it: demo_inputs are sent to demo_house, which runs the parts; demo_report, what came
"""
