"""The parts, each a process of its own, and what runs in them. In reading order:

node_daemon, worker_daemon, model_host_daemon, deliver_daemon, web_daemon
receiver_daemon  a receiving process of the node; node_parts, what runs in the node's own
worker_child     what a child of the worker reads with
retention        removes what may go; promises, what waits for an archive to have it
alone            what may be there once; signals, lean: how a process ends, and what it does not load
"""
