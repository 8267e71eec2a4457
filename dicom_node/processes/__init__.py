"""The listening node. In reading order:

server             one in each process; admissions, who is in there; offered_services, who gets which
listening          the sockets that callers reach; accepting, from them
receiver_desk      where receiving processes report; receiver_link, their end of the line; receiver_messages
"""
