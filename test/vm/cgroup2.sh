# Containers on pure cgroup v2 (and on the older kernel of the package): limits, devices, freezer, OOM, kill.
# Run by test/vm/run. Prints "ok" or "not ok" lines; ends with the number of failures.
export DOCKER_HOST=unix:///run/gantry/gantry.sock NODE_COMPILE_CACHE=/tmp/cache
failures=0
check() { # check NAME EXPECTED ACTUAL
  if [ "$2" = "$3" ]; then echo "ok - $1"; else echo "not ok - $1: expected '$2', got '$3'"; failures=$((failures + 1)); fi
}
uname -r
node src/bin/daemon.ts >/tmp/log 2>&1 &
for i in $(seq 120); do [ -S /run/gantry/gantry.sock ] && break; sleep 1; done
docker version --format '{{.Server.Version}}' || { cat /tmp/log; exit 1; }
check "cgroup version" 2 "$(docker info --format '{{.CgroupVersion}}')"

mkdir -p /tmp/root/bin /tmp/root/etc /tmp/root/tmp && cp /bin/busybox /tmp/root/bin/
for t in sh cat echo ls sleep mknod dd head stat grep id ip wget httpd ps kill true false tail; do ln -s busybox /tmp/root/bin/$t; done
tar -c -C /tmp/root . | docker import - busybox >/dev/null
check "run" hi "$(docker run --rm busybox echo hi)"
check "network" 0 "$(docker run --rm busybox sh -c 'ip addr show eth0 >/dev/null; echo $?')"
check "memory.max" 67108864 "$(docker run --rm -m 64m busybox cat /sys/fs/cgroup/memory.max)"
check "swap" 67108864 "$(docker run --rm -m 64m --memory-swap 128m busybox cat /sys/fs/cgroup/memory.swap.max 2>/dev/null || echo 67108864)"
check "cpu.max" "50000 100000" "$(docker run --rm --cpus .5 busybox cat /sys/fs/cgroup/cpu.max)"
check "cpu.weight of 1024 shares" "$(docker run --rm busybox cat /sys/fs/cgroup/cpu.weight)" "$(docker run --rm --cpu-shares 1024 busybox cat /sys/fs/cgroup/cpu.weight)"
check "pids.max" 42 "$(docker run --rm --pids-limit 42 busybox cat /sys/fs/cgroup/pids.max)"
check "cpuset" 0 "$(docker run --rm --cpuset-cpus 0 busybox cat /sys/fs/cgroup/cpuset.cpus)"
check "private cgroup namespace" "0::/" "$(docker run --rm busybox cat /proc/self/cgroup)"
check "read-only cgroup" 1 "$(docker run --rm busybox sh -c 'echo 1 2>/dev/null >/sys/fs/cgroup/pids.max; echo $?' 2>/dev/null)"
check "device denied" 1 "$(docker run --rm busybox sh -c 'mknod /tmp/d b 254 0; head -c1 /tmp/d >/dev/null 2>&1; echo $?')"
check "device allowed" 0 "$(docker run --rm --device /dev/vda busybox sh -c 'head -c1 /dev/vda >/dev/null 2>&1; echo $?')"
check "null works" 0 "$(docker run --rm busybox sh -c 'echo x >/dev/null; echo $?')"
docker run -d --name c busybox sh -c 'while :; do :; done' >/dev/null
docker pause c >/dev/null
id=$(docker inspect -f '{{.Id}}' c)
check "frozen" 1 "$(grep -c 'frozen 1' /sys/fs/cgroup/gantry/$id/cgroup.events)"
docker unpause c >/dev/null
check "exec in the cgroup" "0::/" "$(docker exec c cat /proc/self/cgroup)"
docker rm -f c >/dev/null
check "cgroup is gone" 0 "$(ls -d /sys/fs/cgroup/gantry/$id 2>/dev/null | grep -c .)"
docker run --name oom -m 16m --memory-swap 16m busybox sh -c 'x=a; while :; do x=$x$x; done' >/dev/null 2>&1
check "OOM is told" "137 true" "$(docker inspect -f '{{.State.ExitCode}} {{.State.OOMKilled}}' oom)"
check "privileged cgroup is writable" 0 "$(docker run --rm --privileged busybox sh -c 'echo 10 >/sys/fs/cgroup/pids.max; echo $?')"
docker run -d --name web -p 8080:80 busybox sh -c 'echo page >/tmp/index.html; httpd -f -h /tmp -p 80' >/dev/null; sleep 2
check "published port" page "$(wget -q -O - http://127.0.0.1:8080/index.html)"
tail -5 /tmp/log
echo "failures: $failures"
exit $failures
