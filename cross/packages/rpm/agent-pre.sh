# Makes the user.
getent group dunlin-agent >/dev/null || groupadd --system dunlin-agent
getent passwd dunlin-agent >/dev/null || useradd --system --gid dunlin-agent --no-create-home \
    --home-dir /var/lib/dunlin-agent --shell /usr/sbin/nologin --comment "Dunlin agent" dunlin-agent
exit 0
