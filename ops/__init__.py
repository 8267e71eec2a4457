"""The front door: settings, command line, daemons, page. In reading order; a package knows only those before it.

settings     one TOML file, environment overrides; peers, as they are typed; secret, a password in a file
logs         events on standard error, no patients; repeated_warnings, what callers say again and again
audit        the audit trail, which alone names patients
notifiers    the clients that tell people: webhook, e-mail, HL7
certificates which are ours, and what they have left
supervisor   starts the parts, restarts what ends, stops in order
embedded     the Redis and the archive that `up` brings along
assembly_line  the objects of the other rooms, built from the settings; destinations, where results go;
               prior_search, what finds earlier reads; private_folder, whether sockets lie where nobody else can be
dashboard    the page; metrics, health
daemons      the parts alone
up           all parts with embedded Redis and archive
commands     what `wetread` can be asked; cli, the console script
demonstration  real studies through everything
reference    tables of the documentation, made from the code
"""
