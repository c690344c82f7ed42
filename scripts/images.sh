#!/usr/bin/env bash
#
# images.sh - build the images of docker/, and print their sizes.

set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"
# shellcheck source=scripts/engine.sh
. "$here/engine.sh"

usage() {
    cat <<'END'
usage: images.sh [--clean | --list] [--readme] [NAME]...
       images.sh --run NAME [ARGUMENT]...
       images.sh --save DIR [NAME]...

Build docker/NAME.Dockerfile, all of them when none is named, each as whiskloop/NAME, with what it is
made FROM first. A table of their sizes is printed and put into build-images/images.json; what packages
each holds is in build-images/sbom/NAME.spdx.json.

    --readme   put the table of sizes into docs/images.md
    --list     print the names, in the order in which they are built
    --run      run an image that was built, on 127.0.0.1:8080, until Ctrl-C
    --save     write images that were built to DIR/NAME.tar, for docker load -i
    --clean    delete build-images, and with it all images of an engine that the script ran itself
    -h         show this text

A running docker is used, else one that the script starts for as long as it runs, else podman with
runc, else buildah. What the script's own docker, podman or buildah builds stays in build-images;
scripts/test-images.sh finds it there. The base is made from Debian's packages where
debian:bookworm-slim is not here; one that is here is used.

Environment: ENGINE (docker, podman or buildah), BASE (debian:bookworm-slim),
    IMAGES_DIR (build-images), SOURCE_DATE_EPOCH (the time of the last commit), SOURCE_URL (the address
    of the git remote origin, for labels; without one they are left out)
END
}

BASE=${BASE:-debian:bookworm-slim}
AUTHORITIES=$ROOT/build-images/ca.crt # always inside the build context, whatever IMAGES_DIR is
DEFAULT_BASE=debian:bookworm-slim

# Print Dockerfile $1 after the images of docker/ that it is made from, each once.
declare -A listed=()
list_with_needs() {
    local name=$1 need file=$ROOT/docker/$1.Dockerfile

    [[ -z ${listed[$name]:-} ]] || return 0
    [[ -f $file ]] || die "there is no image '$name'" "the images: $(all_names | tr '\n' ' ')"
    listed[$name]=yes
    while read -r need; do
        list_with_needs "$need"
    done < <(sed -nE '/^(ARG|FROM) /s/.*whiskloop\/([a-z0-9-]+).*/\1/p' "$file")
    printf '%s\n' "$name"
}

all_names() {
    local file

    for file in "$ROOT"/docker/*.Dockerfile; do
        basename -- "$file" .Dockerfile
    done
}

version_of_program() {
    sed -n "s/^project('whiskloop'.* version: '\([^']*\)'.*/\1/p" "$ROOT/meson.build"
}

# The base must exist before a build, because an engine without it would ask a registry.
base_provide() {
    local ours theirs

    if ! image_exists "$BASE"; then
        [[ $BASE == "$DEFAULT_BASE" ]] ||
            die "the base image '$BASE' is not here" "pull it, or leave BASE out: one is made then"
        command -v mmdebstrap >/dev/null || skip "neither the base image '$BASE' nor mmdebstrap is here" \
            "${CLI[0]} pull $BASE, or on Debian: apt-get install mmdebstrap"
        say "base: made from Debian's packages"
        SOURCE_DATE_EPOCH=0 "$here/make-base.sh" "$ENGINE_RUN_DIR/base.tar" >"$LOGS/base.log" 2>&1 || {
            tail -n 5 "$LOGS/base.log" >&2
            skip "the base image cannot be made; mmdebstrap's last lines stand above" \
                "does the mirror of /etc/apt answer? apt-get update"
        }
        base_import
        rm -f -- "$ENGINE_RUN_DIR/base.tar"
    fi
    ours=$(engine_architecture)
    theirs=$("${CLI[@]}" inspect --type image --format "$(architecture_format)" "$BASE")
    [[ $ours == "$theirs" ]] || die "the base image '$BASE' is for $theirs, this machine is $ours" \
        "name one for this machine in BASE, or remove it: one is made then"
}

base_import() {
    local container

    case $ENGINE in
    docker) "${CLI[@]}" import --change 'CMD ["bash"]' "$ENGINE_RUN_DIR/base.tar" "$BASE" ;;
    podman)
        "${CLI[@]}" import -q --change 'CMD ["bash"]' "$ENGINE_RUN_DIR/base.tar" \
            "docker.io/library/$BASE"
        ;;
    buildah)
        container=$("${CLI[@]}" from scratch)
        "${CLI[@]}" add -q "$container" "$ENGINE_RUN_DIR/base.tar" /
        "${CLI[@]}" commit -q --rm "$container" "docker.io/library/$BASE"
        ;;
    esac >/dev/null
}

# The architecture's name in engines and OCI.
engine_architecture() {
    case $(uname -m) in
    x86_64) echo amd64 ;;
    aarch64) echo arm64 ;;
    *) uname -m ;;
    esac
}

architecture_format() {
    if [[ $ENGINE == buildah ]]; then
        echo '{{.OCIv1.Architecture}}'
    else
        echo '{{.Architecture}}'
    fi
}

# The digests of the base's layers as options of image_archive.py, which leaves these layers
# unchanged.
keep_options() {
    local digest format='{{range .RootFS.Layers}}{{println .}}{{end}}'

    [[ $ENGINE != buildah ]] || format='{{range .OCIv1.RootFS.DiffIDs}}{{println .}}{{end}}'
    while read -r digest; do
        [[ -z $digest ]] || printf '%s\n' --keep "$digest"
    done < <("${CLI[@]}" inspect --type image --format "$format" "$BASE")
}

# Set the labels of all images, and those of images that are made from the base.
set_labels() {
    local label=org.opencontainers.image digest

    LABELS=()
    [[ $SOURCE_URL != http* ]] ||
        LABELS=(--label "$label.source=$SOURCE_URL" --label "$label.url=$SOURCE_URL"
            --label "$label.documentation=$SOURCE_URL/blob/$REVISION/docs/images.md")
    BASE_LABELS=(--label "$label.base.name=$BASE")
    # A base that was made here has no digest that a registry knows.
    [[ $ENGINE != buildah ]] || return 0
    digest=$("${CLI[@]}" image inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$BASE" | sed -n '1s/.*@//p')
    [[ -z $digest ]] || BASE_LABELS+=(--label "$label.base.digest=$digest")
}

# Behind a proxy that re-signs TLS, npm must trust what this machine trusts. Copy the machine's
# authorities into the build context, and keep them until --clean: another build of this tree may
# read them at any time.
authorities_provide() {
    local file=${NODE_EXTRA_CA_CERTS:-/etc/ssl/certs/ca-certificates.crt}

    [[ -f $file ]] || return 0
    mkdir -p -- "${AUTHORITIES%/*}"
    cp -- "$file" "$AUTHORITIES.$$"
    mv -- "$AUTHORITIES.$$" "$AUTHORITIES"
}

say() {
    printf 'images.sh: %s\n' "$*" >&2
}

# Whether an earlier run has already normalised and weighed what was just built as image $2. Then
# tag that earlier image again. Sets BUILT_AS, the key of the build.
is_known() {
    local name=$1 image=$2 key='' normal=''

    BUILT_AS=
    [[ $ENGINE != buildah ]] || return 1
    BUILT_AS="$("${CLI[@]}" image inspect --format '{{.Id}}' "$image") $SOURCE_DATE_EPOCH"
    [[ -f $WEIGHTS/$name.json && -f $KNOWN/$name && -f $SBOM/$name.spdx.json ]] || return 1
    { read -r key && read -r normal; } <"$KNOWN/$name" || return 1
    [[ $key == "$BUILT_AS" ]] && image_exists "$normal" && "${CLI[@]}" tag "$normal" "$image"
}

remember() {
    [[ -z $BUILT_AS ]] || printf '%s\n' "$BUILT_AS" \
        "$("${CLI[@]}" image inspect --format '{{.Id}}' "$2")" >"$KNOWN/$1"
}

# npm's messages when it cannot reach its registry.
NPM_OFFLINE='npm (ERR!|error) (network|code (EAI_AGAIN|ENOTFOUND|ECONN|ETIMEDOUT|SELF_SIGNED|UNABLE_TO))'

# Build one image. Normalise and weigh it unless it is a shared builder.
build_one() {
    local name=$1 file=docker/$1.Dockerfile started=$SECONDS log=$LOGS/$1.log options built
    local image=whiskloop/$name:latest saved=$ENGINE_RUN_DIR/saved.tar normal=$ENGINE_RUN_DIR/normal.tar

    options=(--build-arg "VERSION=$VERSION" --build-arg "REVISION=$REVISION")
    [[ $name == builder* ]] || options+=("${LABELS[@]}")
    ! grep -q '^ARG BASE' "$file" || options+=(--build-arg "BASE=$BASE" "${BASE_LABELS[@]}")
    image_build "$file" "$image" "${options[@]}" >"$log" 2>&1 || {
        tail -n 25 "$log" >&2
        ! grep -qE 'Failed to fetch|Temporary failure resolving|Could not (connect|resolve)|'"$NPM_OFFLINE" "$log" ||
            skip "the packages for the image '$name' cannot be fetched; its last lines stand above" \
                "does the mirror answer? apt-get update, npm ping; the whole log: $log"
        die "the image '$name' cannot be built; its last lines stand above" "the whole log: $log"
    }
    if [[ $name != builder* ]] && ! is_known "$name" "$image"; then
        image_save "$image" "$saved"
        python3 "$here/image_archive.py" normalise "$saved" "$normal" "$name" "${KEEP[@]}" \
            --sbom "$SBOM/$name.spdx.json" \
            >"$ENGINE_RUN_DIR/weight.json" || die "the image '$name' cannot be read as it was saved"
        mv -- "$ENGINE_RUN_DIR/weight.json" "$WEIGHTS/$name.json" # never a partial file
        built=$("${CLI[@]}" image inspect --format '{{.Id}}' "$image" 2>/dev/null) || built=
        image_load "$normal" >"$log.load" 2>&1 || {
            cat "$log.load" >&2
            die "the image '$name' cannot be loaded again"
        }
        [[ $ENGINE == buildah ]] || "${CLI[@]}" tag "$image" "whiskloop/$name:$VERSION"
        # The image that was normalised would stay, without a name.
        [[ -z $built || $built == "$("${CLI[@]}" image inspect --format '{{.Id}}' "$image")" ]] ||
            "${CLI[@]}" image rm "$built" >/dev/null 2>&1 || true
        rm -f -- "$saved" "$normal" "$log.load"
        remember "$name" "$image"
    fi
    say "$name: $((SECONDS - started)) s"
}

# The engine's name and version.
engine_words() {
    printf '%s %s\n' "$ENGINE" "$("${CLI[@]}" --version | sed -n '1s/[^0-9]*\([0-9][^ ,]*\).*/\1/p')"
}

# Run image $1 in the foreground. Further arguments go to the program.
run_one() {
    local name=$1 image=whiskloop/$1:latest network=(-p 127.0.0.1:8080:8080) listen=()

    shift
    image_exists "$image" || die "the image '$image' is not here" "build it: scripts/images.sh $name"
    # Our own daemon has no bridge.
    [[ -z $DOCKERD_PID ]] || network=(--network=host) listen=(--listen 127.0.0.1)
    "${CLI[@]}" run --rm "${network[@]}" "$image" "${listen[@]}" "$@"
}

save_all() {
    local folder=$1 name

    shift
    mkdir -p -- "$folder"
    for name in "$@"; do
        [[ $name == builder* ]] || image_save "whiskloop/$name:latest" "$folder/$name.tar"
    done
}

# Say what to type next.
say_next() {
    if [[ -n $DOCKERD_PID ]]; then
        say "run one: scripts/images.sh --run python3"
        say "load one into another docker: scripts/images.sh --save DIR python3; docker load -i DIR/python3.tar"
    elif [[ $ENGINE == docker ]]; then
        say "run one: docker run --rm -p 127.0.0.1:8080:8080 whiskloop/python3"
    else
        say "take them along: scripts/images.sh --save DIR"
    fi
}

clean=no list=no readme=no run=() save='' names=()
if [[ ${1:-} == --run ]]; then
    (($# >= 2)) || die "--run: the name of an image is missing" "images.sh --run python3"
    run=("${@:2}")
    set --
elif [[ ${1:-} == --save ]]; then
    (($# >= 2)) || die "--save: the name of a folder is missing" "images.sh --save DIR"
    save=$2
    shift 2
fi
for argument in "$@"; do
    case $argument in
    --clean) clean=yes ;;
    --list) list=yes ;;
    --readme) readme=yes ;;
    -*) help_or_die "$argument" ;;
    *) names+=("$argument") ;;
    esac
done
cd -- "$ROOT"
if [[ $clean == yes ]]; then
    rm -rf -- "$IMAGES_DIR" "$AUTHORITIES"
    rmdir -- "${AUTHORITIES%/*}" 2>/dev/null || true
    exit 0
fi
((${#names[@]} > 0)) || mapfile -t names < <(all_names)
ordered=$(for name in "${names[@]}"; do list_with_needs "$name" || exit 1; done) || exit 1
mapfile -t ordered <<<"$ordered"
if [[ $list == yes ]]; then
    printf '%s\n' "${ordered[@]}"
    exit 0
fi

VERSION=$(version_of_program)
REVISION=$(git describe --always --dirty --abbrev=12 --exclude '*' 2>/dev/null) || REVISION=unknown
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null)} || SOURCE_DATE_EPOCH=0
export SOURCE_DATE_EPOCH
SOURCE_URL=${SOURCE_URL:-$(git remote get-url origin 2>/dev/null)} || SOURCE_URL=
SOURCE_URL=${SOURCE_URL%.git}
engine_choose build
LOGS=$IMAGES_DIR/logs SBOM=$IMAGES_DIR/sbom WEIGHTS=$IMAGES_DIR/weights-$ENGINE KNOWN=$IMAGES_DIR/known-$ENGINE
trap engine_down EXIT
trap 'exit 130' INT TERM
engine_up build
if ((${#run[@]} > 0)); then
    run_one "${run[@]}"
    exit
elif [[ -n $save ]]; then
    save_all "$save" "${ordered[@]}"
    exit
fi
mkdir -p -- "$LOGS" "$WEIGHTS" "$KNOWN" "$SBOM"
say "engine: $(engine_words)"
base_provide
mapfile -t KEEP < <(keep_options)
set_labels
[[ " ${ordered[*]} " != *' nodejs-modules '* ]] || authorities_provide
for name in "${ordered[@]}"; do
    build_one "$name"
done
python3 "$here/image_archive.py" collect "$IMAGES_DIR/images.json" "$WEIGHTS" \
    version="$VERSION" revision="$REVISION" engine="$(engine_words)" base="$BASE"
[[ $readme == no ]] ||
    python3 "$here/image_archive.py" write-readme docs/images.md "$IMAGES_DIR/images.json"
python3 "$here/image_archive.py" table "$IMAGES_DIR/images.json"
say_next
