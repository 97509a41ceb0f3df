#!/usr/bin/env bash
# Does troupe stand up on a Debian 12 that has nothing but git and a shell? Makes one in a folder, clones this checkout's
# last commit into it, and does there what the README says: build as root, then, as an ordinary user without sudo and
# without a network, `./dev up` twice and `./dev test`. Needs root, debootstrap, and a mirror. About 5 GB.
#
#   tests/bare/bare.sh FOLDER [--mirror URL, else the first of this machine's own sources] [--apt-conf FILE] [--ccache FOLDER] [--no-test]
#
# FOLDER is made, or used again when it was made by this script. --apt-conf: settings of apt that the machine needs.
# Nothing of it outlives the script: processes and mounts live in namespaces that end with it.
set -euo pipefail
here=$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")
mirror='' conf='' ccache='' root='' test=yes
while [ $# -gt 0 ]; do
  case "$1" in
    --mirror) mirror=$2; shift 2 ;;
    --apt-conf) conf=$2; shift 2 ;;
    --ccache) ccache=$2; shift 2 ;;
    --no-test) test=no; shift ;;
    -*) sed -n '2,10p' "$0"; exit 2 ;;
    *) root=$1; shift ;;
  esac
done
[ -n "$root" ] || { sed -n '2,10p' "$0"; exit 2; }
[ "$(id -u)" = 0 ] || { echo "bare.sh: root is needed to make a Debian"; exit 1; }
command -v debootstrap >/dev/null || { echo "bare.sh: debootstrap is needed: apt-get install debootstrap"; exit 1; }
say() { printf '\n=== %s\n' "$*"; }
[ -n "$mirror" ] || mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | grep -oE 'https?://[^ ]+/debian/?( |$)' | head -n 1 | tr -d ' ' || true)
[ -n "$mirror" ] || { echo "bare.sh: this machine's sources name no mirror of Debian: give one with --mirror"; exit 1; }

make_root() {
  [ ! -f "$root/.bare" ] || return 0
  say "debootstrap of bookworm, minbase with git and ca-certificates"
  debootstrap --variant=minbase --include=git,ca-certificates bookworm "$root" "$mirror" >"$root.log" 2>&1 || { tail -n 20 "$root.log"; exit 1; }
  [ -z "$conf" ] || cp "$conf" "$root/etc/apt/apt.conf.d/99local"
  chroot "$root" useradd --create-home --shell /bin/bash somebody
  touch "$root/.bare"
}

# enter NETWORK USER COMMANDS: in a process and mount namespace of its own; NETWORK is "online" or "offline".
enter() {
  local more=()
  [ "$1" = online ] || more=(--net)
  ROOT=$root CCACHE=$ccache AS=$2 DO=$3 unshare --mount --pid --fork --kill-child "${more[@]}" bash -euc '
    mount --bind "$ROOT" "$ROOT"   # pivot_root wants a mount
    mount -t proc proc "$ROOT/proc"
    mount --rbind /dev "$ROOT/dev"
    mount --rbind /sys "$ROOT/sys"
    if [ -n "$CCACHE" ]; then mkdir -p "$ROOT/ccache" && mount --bind "$CCACHE" "$ROOT/ccache"; fi
    if [ -e /sys/class/net/lo ] && command -v ip >/dev/null; then ip link set lo up; fi
    home=/root cache=CCACHE_DIR=/ccache
    # The cache belongs to its owner: others read it.
    [ "$AS" = root ] || { home=/home/$AS; cache="$cache CCACHE_READONLY=true CCACHE_TEMPDIR=/tmp/ccache-$AS"; }
    # Not chroot alone: the kernel gives no user namespace, which tests make, to whoever sits in one.
    cd "$ROOT"
    mkdir -p .outside
    pivot_root . .outside
    umount -l /.outside
    exec chroot --userspec="$AS" / /usr/bin/env -i HOME=$home USER=$AS PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
      ${CCACHE:+$cache} bash -euc "cd /home/somebody && $DO"'
}

# What is typed in another terminal while ./dev up runs, and what is seen there.
up='up() {
    : >../up.log   # what the life before said is not what this one says
    env --default-signal=INT ./dev up >../up.log 2>&1 & pid=$!
    until grep -q "The node is Ready" ../up.log; do
      kill -0 $pid 2>/dev/null || { cat ../up.log; echo "FAILED: ./dev up ended"; exit 1; }
      sleep 0.2
    done
    grep -E "datastore open|ready after" ../up.log
    sed -n "s/^  \(export KUBECONFIG=.*\|kubectl .*\|build.troupe console .*\)/\1/p" ../up.log >../typed
    [ "$(wc -l <../typed)" = 3 ]
    (set -eu; . ../typed) >../typed.log || { cat ../typed.log; echo "FAILED: what ./dev up prints cannot be typed"; exit 1; }
    grep " Ready " ../typed.log
    (. ../typed >/dev/null; eval "$1")
    kill -INT $pid
    wait $pid || { cat ../up.log; echo "FAILED: ./dev up ended with $?"; exit 1; }
    grep -x stopped ../up.log
  }'

make_root
if [ -f /etc/resolv.conf ]; then cp -L /etc/resolv.conf "$root/etc/resolv.conf"; fi
rm -rf "$root/home/somebody/troupe" "$root/home/somebody/troupe.bundle"
git -C "$here" bundle create -q "$root/home/somebody/troupe.bundle" HEAD
say "git clone and ./dev build, as root"
enter online root 'git clone -q troupe.bundle troupe && cd troupe && ./dev build'
say "./dev build again installs nothing"
enter online root 'cd troupe && ./dev build | tee /tmp/again && ! grep installing /tmp/again'
if [ $test = yes ]; then
  say "the packages and the programs of tests, as root"
  enter online root 'cd troupe && ./dev fuzz'
fi
chroot "$root" chown -R somebody: /home/somebody/troupe
say "no service of the distribution is left to start with the machine"
if compgen -G "$root/etc/systemd/system/*.wants/etcd.service" || compgen -G "$root/etc/systemd/system/*.wants/containerd.service"; then echo "FAILED: ./dev left it enabled"; exit 1; fi

say "./dev up, twice, as somebody, without a network"
enter offline somebody "cd troupe && $up
  up 'kubectl create configmap kept --from-literal=a=b'
  up 'kubectl get configmap kept'"
if [ $test = yes ]; then
  say "./dev test, as somebody, without a network"
  enter offline somebody 'cd troupe && ./dev test'
fi
say "all of it held"
