# Enables and starts the service at a first installation, where systemd runs.
[ -d /var/lib/dunlin-agent ] || install -d -o dunlin-agent -g dunlin-agent -m 0700 /var/lib/dunlin-agent
if [ "$1" -eq 1 ]; then
    if command -v systemctl >/dev/null; then systemctl --no-reload enable dunlin-agent.service >/dev/null 2>&1 || :; fi
    if [ -d /run/systemd/system ]; then
        systemctl daemon-reload || :
        systemctl start dunlin-agent.service || :
    fi
    echo "dunlin-agent: waits for its enrolment: run 'sudo dunlin-agent enrol' with the line that the server prints"
fi
exit 0
