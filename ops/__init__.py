"""The front door: settings, command line, daemons, page. In reading order:

settings     one TOML file, environment overrides
cli          the console script `wetread`
supervisor   starts the parts, restarts what ends, stops in order
up           all parts with embedded Redis and archive
node_daemon, worker_daemon, deliver_daemon   the parts alone
dashboard    the page; metrics, health
demo         real studies through everything; demo_inputs, demo_house, demo_report
"""
