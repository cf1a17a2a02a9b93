# Restarts after an upgrade. Removing keeps /var/lib/dunlin-agent and the user who owns it: RPM knows no purging.
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload || :
    if [ "$1" -ge 1 ]; then systemctl try-restart dunlin-agent.service || :; fi
fi
# Folders belong to no package; those that are empty now go.
if [ "$1" -eq 0 ]; then rmdir /usr/lib/dunlin-agent /etc/dunlin 2>/dev/null || :; fi
exit 0
