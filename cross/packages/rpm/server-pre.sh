# Makes the user.
getent group dunlin-server >/dev/null || groupadd --system dunlin-server
getent passwd dunlin-server >/dev/null || useradd --system --gid dunlin-server --no-create-home \
    --home-dir /var/lib/dunlin-server --shell /usr/sbin/nologin --comment "Dunlin fleet server" dunlin-server
exit 0
