#!/bin/sh
# Debian's program has some modules built in, and refuses to load them: the file without them is beside the socket.
set -eu
file=/etc/httpd/httpd.conf
if [ "${1-}" = -f ]; then
  file=$2
  shift 2
fi
own=/run/httpd/httpd.conf
/usr/bin/sed -E '/^[ \t]*LoadModule[ \t]+(core|http|log_config|logio|so|unixd|version|watchdog)_module[ \t]/d' \
  "$file" >$own.new
/usr/bin/mv $own.new $own
exec /usr/sbin/apache2 -f $own "$@"
