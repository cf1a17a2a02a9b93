#!/bin/sh
# Installs dunlin-agent from its static archive, on any Linux with a POSIX shell and openssl:
#
#   sh install.sh [--root DIR] dunlin-agent-VERSION-ARCH.tar.gz      its .sig lies beside it
#   sh install.sh [--root DIR] --uninstall [--purge]
#
# Nothing of the archive is unpacked or run before its signature was verified with the key below. An update is the same
# command again: configuration and data stay. --uninstall keeps them too; --purge removes them and the user.
# --root prepares the image of another machine.
set -eu
umask 022

public_key='@PUBLIC_KEY@'
development='@DEVELOPMENT@'

name=dunlin-agent
root=
archive=
uninstall=
purge=

say() { echo "install: $*"; }
refuse() {
    echo "install: refused: $*" >&2
    exit 1
}
usage() {
    sed -n '2,/^set /s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

while [ $# -gt 0 ]; do
    case $1 in
        --root)
            [ $# -ge 2 ] || usage
            root=${2%/}
            [ -d "$2" ] || refuse "$2 is not a folder; --root takes the mounted root of an image"
            shift
            ;;
        --uninstall) uninstall=yes ;;
        --purge) purge=yes ;;
        -h | --help) usage ;;
        -*) echo "install: $1 is not an option" >&2; usage ;;
        *) [ -z "$archive" ] || usage; archive=$1 ;;
    esac
    shift
done

program=$root/usr/local/bin/$name
helper=$root/usr/local/lib/$name
manual=$root/usr/local/share/man/man8
unit=$root/etc/systemd/system/$name.service
wants=$root/etc/systemd/system/multi-user.target.wants/$name.service
config=$root/etc/dunlin/agent.toml
data=$root/var/lib/$name

# Whether systemd is what starts services there.
has_systemd() {
    if [ -n "$root" ]; then
        [ -e "$root/lib/systemd/systemd" ] || [ -e "$root/usr/lib/systemd/systemd" ]
    else
        [ -d /run/systemd/system ]
    fi
}
live() { [ -z "$root" ] && has_systemd; }
has_user() { grep -q "^$name:" "$root/etc/passwd" 2>/dev/null; }

# The first number of a system user that neither a user nor a group has.
free_number() {
    cat "$root/etc/passwd" "$root/etc/group" 2>/dev/null |
        awk -F: '{taken[$3] = 1} END {for (n = 999; n > 100; n--) if (!(n in taken)) {print n; exit}}'
}

make_user() {
    if has_user; then return; fi
    if [ -n "$root" ]; then
        # The tools of an image may be of another processor.
        mkdir -p "$root/etc"
        number=$(free_number)
        echo "$name:x:$number:" >>"$root/etc/group"
        echo "$name:x:$number:$number:Dunlin agent:/var/lib/$name:/usr/sbin/nologin" >>"$root/etc/passwd"
        if [ -e "$root/etc/shadow" ]; then echo "$name:!:19000::::::" >>"$root/etc/shadow"; fi
    elif command -v useradd >/dev/null; then
        useradd --system --user-group --no-create-home --home-dir "/var/lib/$name" --shell /usr/sbin/nologin "$name"
    else
        # BusyBox.
        addgroup -S "$name"
        adduser -S -D -H -h "/var/lib/$name" -s /sbin/nologin -G "$name" "$name"
    fi
    say "made the user $name"
}

remove_user() {
    if ! has_user; then return; fi
    if [ -n "$root" ]; then
        for file in passwd group shadow; do
            if [ -e "$root/etc/$file" ]; then sed -i "/^$name:/d" "$root/etc/$file"; fi
        done
    elif command -v userdel >/dev/null; then
        userdel "$name"
    else
        deluser "$name"
    fi
    say "removed the user $name"
}

# place FROM TO MODE: the old file or the new one is there at every moment, whole.
place() {
    mkdir -p "$(dirname "$2")"
    cp "$1" "$2.new"
    chmod "$3" "$2.new"
    sync
    mv "$2.new" "$2"
}

if [ "$(id -u)" != 0 ]; then
    refuse "this writes to ${root:-/}${root:+/}etc and needs root; run it with sudo"
fi

if [ -n "$uninstall" ]; then
    if [ -n "$archive" ]; then usage; fi
    if live; then systemctl disable --now "$name.service" >/dev/null 2>&1 || true; fi
    rm -f "$program" "$helper/take-seed" "$manual/$name.8" "$unit" "$wants"
    rmdir "$helper" 2>/dev/null || true
    if live; then systemctl daemon-reload; fi
    if [ -n "$purge" ]; then
        rm -rf "$data"
        rm -f "$config"
        rmdir "$root/etc/dunlin" 2>/dev/null || true
        remove_user
        say "removed, with configuration and data"
    else
        say "removed; $config and $data stay (--purge removes them)"
    fi
    exit 0
fi
if [ -z "$archive" ] || [ -n "$purge" ]; then usage; fi

[ -f "$archive" ] || refuse "there is no $archive"
[ -f "$archive.sig" ] || refuse "$archive has no signature: $archive.sig is not there; download it too"
command -v openssl >/dev/null || refuse "openssl is needed to verify the signature, and is not installed"
if [ -e "$root/usr/bin/$name" ]; then
    refuse "a package has installed $root/usr/bin/$name; remove that package first (its data stays)"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP
# What is verified is what is unpacked, even if somebody changes the archive meanwhile.
cp "$archive" "$work/archive"
printf '%s\n' "$public_key" >"$work/key"
openssl dgst -sha256 -verify "$work/key" -signature "$archive.sig" "$work/archive" >/dev/null 2>&1 ||
    refuse "the signature of $archive does not match: it was damaged or changed, or signed with another key than this install.sh knows"
if [ "$development" = yes ]; then
    say "NOTE: signed with a development key that anybody may have made; for trying only" >&2
fi
mkdir "$work/files"
gzip -dc "$work/archive" | tar -xf - -C "$work/files"
files=$work/files/$name
about() { sed -n "s/^$1 //p" "$files/ABOUT"; }
arch=$(about arch)

if [ -z "$root" ]; then
    machine=$(uname -m)
    # What runs there: a processor runs its own programs, and 64-bit ARM the 32-bit ones too.
    case $machine in
        x86_64 | amd64) runs=x86_64 ;;
        aarch64 | arm64) runs='aarch64 armv7 armv6' ;;
        armv7* | armv8*) runs='armv7 armv6' ;;
        armv6*) runs=armv6 ;;
        *) runs=$machine ;;
    esac
    case " $runs " in
        *" $arch "*) ;;
        *) refuse "$archive is for $arch, and this machine is $machine: take the archive for ${runs%% *}" ;;
    esac
    "$files/$name" --version >/dev/null 2>&1 ||
        refuse "$archive is genuine, but its program does not run on this system ($machine); please report it"
fi

make_user
owner=$(awk -F: -v name="$name" '$1 == name {print $3 ":" $4}' "$root/etc/passwd")
if [ ! -d "$data" ]; then
    mkdir -p "$data"
    chmod 0700 "$data"
    chown "$owner" "$data"
fi
if [ -e "$config" ]; then
    say "$config is there and stays as it is"
else
    place "$files/agent.toml" "$config" 644
fi
place "$files/$name.8" "$manual/$name.8" 644
place "$files/take-seed" "$helper/take-seed" 755
place "$files/$name" "$program" 755
say "installed $name $(about version) for $arch: $program"

if has_systemd; then
    sed -e 's|/usr/bin/|/usr/local/bin/|' -e 's|/usr/lib/|/usr/local/lib/|' "$files/$name.service" >"$work/unit"
    place "$work/unit" "$unit" 644
    mkdir -p "$(dirname "$wants")"
    ln -sf "../$name.service" "$wants"
    if live; then
        systemctl daemon-reload
        systemctl restart "$name.service"
        say "the service runs: systemctl status $name"
    else
        say "the service starts when the image boots"
    fi
else
    say "systemd does not run here. Let your init start this as the user $name, and again when it ends; for BusyBox a line of /etc/inittab:"
    echo "  ::respawn:/bin/su -s /bin/sh $name -c 'exec /usr/local/bin/$name run'"
fi
if [ -z "$root" ]; then
    say "next: $name enrol, with the line that the server prints"
fi
