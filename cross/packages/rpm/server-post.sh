# Enables and starts the service at a first installation, where systemd runs.
if [ "$1" -eq 1 ]; then
    if command -v systemctl >/dev/null; then systemctl --no-reload enable dunlin-server.service >/dev/null 2>&1 || :; fi
    if [ -d /run/systemd/system ]; then
        systemctl daemon-reload || :
        systemctl start dunlin-server.service || :
    fi
    if [ ! -e /var/lib/dunlin-server ]; then
        echo "dunlin-server: make its folder, then start it:"
        echo "  sudo dunlin-server init /var/lib/dunlin-server --host NAME --owner-keys ~/dunlin-owner-keys"
        echo "  sudo systemctl start dunlin-server"
    fi
fi
exit 0
