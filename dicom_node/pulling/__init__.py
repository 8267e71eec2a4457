"""Studies from an archive to a node. In reading order:

contents  what they are
pulling   by C-GET (forwarding, handed on); moving, by C-MOVE
"""
