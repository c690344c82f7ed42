# engine.sh - find a container engine, start a private one if none runs, leave nothing behind.
#
# Sourced after lib.sh, not run. Sets ENGINE (docker, podman or buildah) and CLI, the command.
# shellcheck shell=bash

SKIPPED=77 # exit status of a script that lacks what it needs; meson and automake use the same number

# Images, builds and the daemon's data. Kept when a script ends, so that tests find what was built.
IMAGES_DIR=${IMAGES_DIR:-$ROOT/build-images}

ENGINE=${ENGINE:-}
CLI=()
ENGINE_RUN_DIR= # this script's engine: sockets, state, log
CONTAINERS_RUN_DIR= # the state of podman and buildah
DOCKERD_PID=
PRIVATE_NET= # name of the network namespace that containers run in; empty: the machine's own
ENGINE_WAIT_TENTHS=300

# Say what is missing and how to get it, and end with 77. Under IMAGES=require that is a failure.
skip() {
    printf '%s: %s\n' "${0##*/}" "$1" >&2
    shift
    (($# == 0)) || printf '    %s\n' "$@" >&2
    [[ ${IMAGES:-} != require ]] || exit 1
    exit "$SKIPPED"
}

# Set ENGINE to an engine that is installed. $1: build or run, which it must be able to do.
engine_choose() {
    local purpose=$1

    case $ENGINE in
    docker | podman | buildah)
        command -v "$ENGINE" >/dev/null || skip "ENGINE=$ENGINE is not installed" \
            "on Debian: apt-get install --no-install-recommends $(engine_packages "$ENGINE")"
        ;;
    '')
        if docker_works; then
            ENGINE=docker
        elif command -v podman >/dev/null; then
            ENGINE=podman
        elif [[ $purpose != run ]] && command -v buildah >/dev/null; then
            ENGINE=buildah
        else
            skip "no container engine works here: no docker daemon answers or can be started, and podman is not here" \
                "on Debian: apt-get install --no-install-recommends $(engine_packages docker)" \
                "or:        apt-get install --no-install-recommends $(engine_packages podman)"
        fi
        ;;
    *) die "ENGINE=$ENGINE: want docker, podman or buildah" ;;
    esac
    [[ $purpose != run || $ENGINE != buildah ]] || skip "buildah only builds, it runs nothing" \
        "on Debian: apt-get install --no-install-recommends $(engine_packages docker)"
}

engine_packages() {
    case $1 in
    docker) echo docker.io ;;
    podman) echo podman runc ;;
    buildah) echo buildah runc ;;
    esac
}

# Whether a daemon that somebody else runs answers.
docker_answers() {
    command -v docker >/dev/null && docker version >/dev/null 2>&1
}

# Whether docker can be used: a daemon answers, or we can start one. The client alone is not enough.
docker_works() {
    docker_answers ||
        { ((EUID == 0)) && command -v docker >/dev/null && command -v dockerd >/dev/null; }
}

# From version 23 on, the client builds with BuildKit only if its plugin buildx is there. Otherwise
# use the classic builder.
docker_choose_builder() {
    local version

    version=$(docker version --format '{{.Client.Version}}')
    if ((${version%%.*} < 23)) || docker buildx version >/dev/null 2>&1; then
        export DOCKER_BUILDKIT=1
    else
        export DOCKER_BUILDKIT=0
    fi
}

# Make the engine ready. $1: build (containers use the machine's network, for apt) or run (they get
# a private network namespace, where we may make one). Call engine_down at the end, in any case.
engine_up() {
    local purpose=$1

    mkdir -p -- "$IMAGES_DIR" || exit 1
    ENGINE_RUN_DIR=$(mktemp -d /tmp/whiskloop-engine.XXXXXX) || exit 1
    case $ENGINE in
    docker)
        if docker_answers; then
            CLI=(docker)
            docker_choose_builder
            return
        fi
        lock_images
        [[ $purpose != run ]] || private_net
        dockerd_start
        ;;
    podman | buildah)
        lock_images
        containers_configure
        [[ $purpose != run ]] || private_net
        CLI=(${PRIVATE_NET:+nsenter "--net=/run/netns/$PRIVATE_NET"} "$ENGINE")
        ;;
    esac
}

# Only one script at a time may work on the images of a folder.
lock_images() {
    exec {IMAGES_LOCK}>"$IMAGES_DIR/lock"
    flock --timeout 600 "$IMAGES_LOCK" ||
        die "another script has worked in '$IMAGES_DIR' for ten minutes"
}

private_net() {
    ((EUID == 0)) && command -v ip nsenter >/dev/null || return 0
    PRIVATE_NET=whiskloop-$$
    ip netns add "$PRIVATE_NET" || {
        PRIVATE_NET=
        return 0
    }
    ip -n "$PRIVATE_NET" link set lo up
}

dockerd_start() {
    local network=() prefix=() tenths

    ((EUID == 0)) || skip "no docker daemon answers, and only root can start one" \
        "start docker, or use podman: ENGINE=podman"
    command -v dockerd >/dev/null || skip "no docker daemon answers, and dockerd is not installed" \
        "on Debian: apt-get install --no-install-recommends docker.io"
    if [[ -n $PRIVATE_NET ]]; then
        prefix=(nsenter "--net=/run/netns/$PRIVATE_NET")
    else # leave the machine's own network alone
        network=(--bridge=none --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false)
    fi
    # An earlier daemon had networks, and maybe a swarm, in a namespace that is gone. This daemon
    # would make their bridges again, possibly in the machine's own network.
    rm -rf -- "$IMAGES_DIR/docker/network" "$IMAGES_DIR/docker/swarm"
    echo '{}' >"$ENGINE_RUN_DIR/none.json" # ignore the configuration of this machine's daemon
    # A session of its own: Ctrl-C ends this script, and the script then ends the daemon cleanly.
    setsid "${prefix[@]}" dockerd --config-file "$ENGINE_RUN_DIR/none.json" \
        --data-root "$IMAGES_DIR/docker" --exec-root "$ENGINE_RUN_DIR/exec" \
        --pidfile "$ENGINE_RUN_DIR/docker.pid" -H "unix://$ENGINE_RUN_DIR/docker.sock" \
        --cgroup-parent "/whiskloop-$$" "${network[@]}" \
        >"$ENGINE_RUN_DIR/dockerd.log" 2>&1 </dev/null {IMAGES_LOCK}>&- &
    DOCKERD_PID=$!
    export DOCKER_HOST=unix://$ENGINE_RUN_DIR/docker.sock
    export DOCKER_CONFIG=$ENGINE_RUN_DIR/client
    for ((tenths = 0; tenths < ENGINE_WAIT_TENTHS; tenths++)); do
        if docker_answers; then
            CLI=(docker)
            docker_choose_builder
            return
        fi
        kill -0 "$DOCKERD_PID" 2>/dev/null || break
        sleep 0.1
    done
    tail -n 5 "$ENGINE_RUN_DIR/dockerd.log" >&2
    skip "dockerd does not start here; its last lines stand above" "maybe podman does: ENGINE=podman"
}

# podman and buildah: use storage of our own, and limits that the caller may set. By default they
# ask for more open files and processes than a caller without CAP_SYS_RESOURCE may have.
containers_configure() {
    local files processes pid_max

    # The database keeps this path, so the next script must find the same one: derive it from
    # IMAGES_DIR.
    CONTAINERS_RUN_DIR=/tmp/whiskloop-engine-$(cksum <<<"$IMAGES_DIR" | cut -d ' ' -f 1)
    files=$(ulimit -Hn)
    processes=$(ulimit -Hu)
    pid_max=$(cat /proc/sys/kernel/pid_max)
    [[ $files != unlimited ]] || files=1048576
    if [[ $processes == unlimited ]] || ((processes > pid_max)); then
        processes=$pid_max # podman has lowered its own limit to that and cannot raise it
    fi
    cat >"$ENGINE_RUN_DIR/storage.conf" <<END
[storage]
driver = "overlay"
runroot = "$CONTAINERS_RUN_DIR"
graphroot = "$IMAGES_DIR/containers"
END
    # runc, because crun refuses the hybrid control groups of some machines.
    cat >"$ENGINE_RUN_DIR/containers.conf" <<END
[containers]
default_ulimits = ["nofile=$files:$files", "nproc=$processes:$processes"]
[engine]
tmp_dir = "$CONTAINERS_RUN_DIR/libpod"
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
END
    export CONTAINERS_STORAGE_CONF=$ENGINE_RUN_DIR/storage.conf
    export CONTAINERS_CONF=$ENGINE_RUN_DIR/containers.conf
}

# End what engine_up started, or do nothing if it started nothing. For use in a trap: errors do not
# stop it.
engine_down() {
    local mount folder tenths

    [[ -n $ENGINE_RUN_DIR ]] || return 0
    if [[ -n $DOCKERD_PID ]]; then
        kill -TERM "$DOCKERD_PID" 2>/dev/null || true
        wait "$DOCKERD_PID" 2>/dev/null || true
        DOCKERD_PID=
        unset DOCKER_HOST DOCKER_CONFIG
    fi
    # podman cleans up after a container in separate processes, which would make its folder again.
    if [[ -n $CONTAINERS_RUN_DIR ]]; then
        for ((tenths = 0; tenths < ENGINE_WAIT_TENTHS; tenths++)); do
            pgrep -f -- "$CONTAINERS_RUN_DIR" >/dev/null || break
            sleep 0.1
        done
    fi
    # Unmount what the engine mounted for itself, the innermost first: dockerd forgets a namespace's
    # file.
    while read -r mount; do
        umount -l -- "$mount" || true
    done < <(awk -v one="$ENGINE_RUN_DIR/" -v other="${CONTAINERS_RUN_DIR:-none}/" \
        'index($5, one) == 1 || index($5, other) == 1 { print $5 }' /proc/self/mountinfo | sort -r)
    for folder in /sys/fs/cgroup/*/"whiskloop-$$"; do
        [[ ! -d $folder ]] || find "$folder" -depth -type d -exec rmdir -- {} + || true
    done
    [[ -z $PRIVATE_NET ]] || ip netns del "$PRIVATE_NET" || true
    PRIVATE_NET=
    rm -rf -- "$ENGINE_RUN_DIR" ${CONTAINERS_RUN_DIR:+"$CONTAINERS_RUN_DIR"} || true
    ENGINE_RUN_DIR=
    CONTAINERS_RUN_DIR=
    [[ -z ${IMAGES_LOCK:-} ]] || exec {IMAGES_LOCK}>&-
    IMAGES_LOCK=
}

# --- used by the other scripts -------------------------------------------------------------------

# Whether image $1 exists here.
image_exists() {
    case $ENGINE in
    docker) "${CLI[@]}" image inspect "$1" >/dev/null 2>&1 ;;
    podman) "${CLI[@]}" image exists "$1" ;;
    buildah) "${CLI[@]}" inspect --type image "$1" >/dev/null 2>&1 ;;
    esac
}

# Build Dockerfile $1 as image $2. Further arguments: options. The context is the repository.
image_build() {
    local file=$1 name=$2

    shift 2
    case $ENGINE in
    docker) "${CLI[@]}" build --network=host -f "$file" -t "$name" "$@" . ;;
    podman) # the OCI format has no HEALTHCHECK
        "${CLI[@]}" build --format docker --network=host --pull=never -f "$file" -t "$name" "$@" .
        ;;
    buildah)
        "${CLI[@]}" bud --format docker --network=host --pull-never --isolation chroot \
            -f "$file" -t "$name" "$@" .
        ;;
    esac
}

# Write image $1 to file $2, in the format of docker save.
image_save() {
    case $ENGINE in
    docker) "${CLI[@]}" save -o "$2" "$1" ;;
    podman) "${CLI[@]}" save -q --format docker-archive -o "$2" "$1" ;;
    buildah) "${CLI[@]}" push -q "$1" "docker-archive:$2:$1" ;;
    esac
}

# Load a file that image_save wrote.
image_load() {
    case $ENGINE in
    docker) "${CLI[@]}" load -q -i "$1" ;;
    podman) "${CLI[@]}" load -q -i "$1" ;;
    buildah) "${CLI[@]}" pull -q "docker-archive:$1" ;;
    esac
}
