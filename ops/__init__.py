"""The front door: settings, command line, daemons, page. In reading order:

settings     one TOML file, environment overrides; settings_reference, source_reference, security_reference
             and card_reference, tables of the documentation (generated_section)
cli          the console script `wetread`; cli_jobs, cli_tls, cli_models (model_run), cli_alerts; failures, which
             errors are one message; peers, as they are typed
cli_send     files to a peer; send_summary, what became of them
cli_peers    who may call, and who did (peer_list)
cli_pull     studies from an archive; study_list, which; backlog, one after the other
assembly_line  the objects of the other rooms, built from the settings; destinations, where results go;
               prior_search, what finds earlier reads
supervisor   starts the parts, restarts what ends, stops in order
up           all parts with embedded Redis and archive
node_daemon, worker_daemon, model_host_daemon, deliver_daemon, web_daemon   the parts alone; signals, lean;
             receiver_daemon, a receiving process of the node
certificates which are ours, and what they have left
embedded     the Redis and the archive that `up` brings along
notifiers    the clients that tell people: webhook, e-mail, HL7
logs         events on standard error, no patients
dashboard    the page; metrics, health
demo         real studies through everything; demo_inputs, demo_house, demo_report
"""
