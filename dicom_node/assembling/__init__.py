"""When a study is complete, and who is told. In reading order:

assembly          a pure function; open_study, what is held of one, and the function applied to it and its series
patience          how long is waited for whom; questions, when an archive is asked for counts
instance_lists    (waiting_lists) what MPPS and availability notifications have listed
assembler         the thread that hands complete studies to the store; assembler_messages, what it is told
asker             who asks archives for counts
stocktaking       what a folder holds; handover, what the store must still be told
arrival_notes     that studies arrive, and from whom; adoption, what a crash left
"""
