"""The front door: settings, command line, daemons, page. In reading order:

settings     one TOML file, environment overrides; settings_example, all of it with comments; settings_reference,
             card_reference, source_reference, security_reference and conformance_reference (conformance_activities,
             conformance_acceptances, conformance_annexes, coded_terms), tables of the documentation
             (generated_section, markdown)
cli          the console script `wetread`; cli_jobs, cli_tls, cli_alerts, cli_studies; cli_models (model_run) and
             cli_proving on model_commands; failures, which errors are one message; peers, as they are typed; terminal,
             tables as they are printed; script_output, what scripts get
cli_queue    what is next and what is held; who acts, ages as they are typed
cli_send     files to a peer; send_summary, what became of them
cli_ledger   does what must hold in the ledger hold
cli_validate are results what they should be: validation, by validators of others too (known_false_alarms)
cli_peers    who may call, and who did (peer_list)
cli_pull     studies from an archive; study_list, which; backlog, one after the other
retention    removes what may go; promises, what waits for an archive to have it; cli_retention shows it
assembly_line  the objects of the other rooms, built from the settings; destinations, where results go;
               prior_search, what finds earlier reads; private_folder, whether sockets lie where nobody else can be
supervisor   starts the parts, restarts what ends, stops in order
up           all parts with embedded Redis and archive
node_daemon, worker_daemon, model_host_daemon, deliver_daemon, web_daemon   the parts alone; signals, lean; node_parts,
             what runs in the node's process; receiver_daemon, a receiving process of it
certificates which are ours, and what they have left
embedded     the Redis and the archive that `up` brings along
audit        the audit trail, which alone names patients
notifiers    the clients that tell people: webhook, e-mail, HL7
logs         events on standard error, no patients
dashboard    the page; metrics, health
demo         real studies through everything; demo_inputs, demo_house, demo_report
"""
