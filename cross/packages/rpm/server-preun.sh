# Stops the service when the package is removed, not at an upgrade.
if [ "$1" -eq 0 ] && command -v systemctl >/dev/null; then
    systemctl --no-reload disable dunlin-server.service >/dev/null 2>&1 || :
    if [ -d /run/systemd/system ]; then systemctl stop dunlin-server.service || :; fi
fi
exit 0
