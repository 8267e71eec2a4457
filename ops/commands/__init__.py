"""What `wetread` can be asked. In reading order:

options        that many of them have
cli_jobs       what became of studies; cli_alerts, who was told; cli_studies, force-complete; cli_tls, options of others
cli_models     (model_run) and cli_proving on model_commands
cli_queue      what is next and what is held; who acts, ages as they are typed
cli_send       files to a peer; send_summary, what became of them; ending, in order
cli_ledger     does what must hold in the ledger hold
cli_validate   are results what they should be: validation, by validators of others too (known_false_alarms)
cli_peers      who may call, and who did (peer_list)
cli_pull       studies from an archive; study_list, which; backlog, one after the other
cli_retention  what may be removed
failures       which errors are one message; terminal, tables as they are printed; script_output, what scripts get
"""
