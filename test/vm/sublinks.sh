# ipvlan in its modes, macvlan on a VLAN, dummies: interfaces that a kernel may lack, on one that has them. Run by test/vm/run
# with VM_MODULES="macvlan ipvlan 8021q mrp garp sch_tbf". Prints "ok" or "not ok" lines; ends with the number of failures.
export DOCKER_HOST=unix:///run/gantry/gantry.sock NODE_COMPILE_CACHE=/tmp/cache
failures=0
check() { # check NAME EXPECTED ACTUAL
  if [ "$2" = "$3" ]; then echo "ok - $1"; else echo "not ok - $1: expected '$2', got '$3'"; failures=$((failures + 1)); fi
}
node src/bin/daemon.ts >>/tmp/log 2>&1 &
for i in $(seq 120); do [ -S /run/gantry/gantry.sock ] && break; sleep 1; done
mkdir -p /tmp/root/bin /tmp/root/www && cp /bin/busybox /tmp/root/bin/ && echo hello >/tmp/root/www/index.html
for t in sh cat ip wget httpd sleep nslookup; do ln -s busybox /tmp/root/bin/$t; done
tar -c -C /tmp/root . | docker import - busybox >/dev/null || { cat /tmp/log; exit 1; }
ip link add wire type dummy && ip link set wire up || echo "not ok - no dummy interfaces"

try() { # try NAME OPTIONS… : a network, two containers that find each other by name, and nothing left
  name=$1; shift
  docker network create --subnet 10.77.0.0/24 "$@" n >/dev/null || { failures=$((failures + 1)); echo "not ok - $name: not made"; return; }
  docker run -d --name web --network n busybox httpd -f -p 80 -h /www >/dev/null
  check "$name: by name" hello "$(docker run --rm --network n busybox wget -qO- http://web/)"
  docker run --rm --network n busybox ip route | sed "s/^/# $name: /"
  docker rm -f web >/dev/null
  docker network rm n >/dev/null
}
for mode in l2 l3 l3s; do
  try "ipvlan $mode, no parent" -d ipvlan -o ipvlan_mode=$mode
  try "ipvlan $mode on wire" -d ipvlan -o ipvlan_mode=$mode -o parent=wire
done
try "macvlan, no parent" -d macvlan
try "macvlan on a VLAN" -d macvlan -o parent=wire.50
try "ipvlan on a VLAN" -d ipvlan -o parent=wire.51
check "nothing is left" "" "$(ip -o link | grep -E 'wire\.|dm-')"
docker network create -d ipvlan n >/dev/null
check "a dummy is the parent of an internal one" 1 "$(ls -d /sys/devices/virtual/net/dm-* | wc -l)"
tail -3 /tmp/log
exit $failures
