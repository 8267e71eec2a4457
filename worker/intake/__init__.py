"""From an assembled study to jobs. In reading order:

intake              decides with the settings; own_results, what is ours and comes back
order_priorities    a worklist's word
forcing             an admin's wish that a study be closed, on its way to the node
"""
