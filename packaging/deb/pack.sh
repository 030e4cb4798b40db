# The parts of a Debian package that dpkg-deb wants to be told. To be sourced after common.sh;
# SOURCE_DATE_EPOCH is the time of all that is made, `work` a directory for scraps.
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154

maintainer=${PACKAGE_MAINTAINER:-emqx launcher packages <emqx-launcher@packages.invalid>}

# A pre-release comes before its release: 5.10.4-rc.1 is 5.10.4~rc.1.
debian_version() {
    tr '_-' '~~' <<<"$1"
}

debian_arch() {
    case $1 in
    x86_64) echo amd64 ;;
    aarch64) echo arm64 ;;
    esac
}

# KiB as policy counts them: every file rounded up, a directory or link one.
installed_size() {
    find "$1" -mindepth 1 -type f -printf '%s\n' -o -mindepth 1 -printf '0\n' |
        awk '{n += int(($1 + 1023) / 1024); if ($1 == 0) n += 1} END {print n}'
}

# What the native code of the release links to, as a list for Depends. It is asked of this machine,
# which therefore has to be of the system that the release is for. A file whose library this machine
# lacks, such as OTP's odbcserver mostly, is told of and adds nothing.
libraries() {
    local root=$1 found='' library file at files=()
    if command -v dpkg-shlibdeps >/dev/null; then
        while IFS= read -r file; do
            ! is_elf "$file" || files+=("-e$file")
        done < <(find "$root/usr/lib/emqx" -type f \( -perm /111 -o -name '*.so*' \) | sort)
        mkdir -p -- "$work/shlibs/debian"
        printf 'Source: emqx\n\nPackage: emqx\nArchitecture: any\n' >"$work/shlibs/debian/control"
        if ! found=$(shlibdeps "${files[@]}"); then
            while read -r library file; do
                echo "WARNING: this machine lacks $library, which ${file#"$root"} links to" >&2
                for at in "${!files[@]}"; do
                    [ "${files[at]}" != "-e$file" ] || unset "files[at]"
                done
            done < <(sed -nE 's/.*cannot find library ([^ ]+) needed by (.*) \(ELF.*/\1 \2/p' "$work/shlibs/log")
            found=$(shlibdeps "${files[@]}") || true
        fi
    fi
    if [ -z "$found" ]; then
        echo "WARNING: dpkg-shlibdeps does not tell what the release links to; the package depends on libc6 only" >&2
        found=libc6
    fi
    echo "$found"
}

# shlibdeps -eFILE...: the packages that they link to, or a failure with its reasons in the log.
shlibdeps() {
    (cd -- "$work/shlibs" && dpkg-shlibdeps -O --ignore-missing-info --warnings=0 "$@" 2>log |
        sed -n 's/^shlibs:Depends=//p')
}

# doc ROOT PACKAGE VERSION CHANGE: copyright and changelog.
doc() {
    local dir=$1/usr/share/doc/$2
    mkdir -p -- "$dir"
    cp -- "$packaging/deb/copyright" "$dir/copyright"
    printf '%s (%s) unstable; urgency=medium\n\n  * %s\n\n -- %s  %s\n' "$2" "$3" "$4" \
        "$maintainer" "$(date -u -R -d "@$SOURCE_DATE_EPOCH")" |
        gzip -n9 >"$dir/changelog.gz"
    [ "${3%-*}" = "$3" ] || mv -- "$dir/changelog.gz" "$dir/changelog.Debian.gz"
}

# pack ROOT FILE: digests, the list of conffiles, and the package, all of it root's. gzip, because
# what xz makes depends on the number of processors.
pack() {
    local root=$1 file=$2
    (cd -- "$root" && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | sort -z |
        xargs -0 md5sum >DEBIAN/md5sums)
    if [ -d "$root/etc" ]; then
        (cd -- "$root" && find etc -type f -printf '/%p\n' | sort >DEBIAN/conffiles)
    fi
    find "$root" -newermt "@$SOURCE_DATE_EPOCH" -exec touch -h -d "@$SOURCE_DATE_EPOCH" -- {} +
    dpkg-deb --root-owner-group -Zgzip --build "$root" "$work/package.deb" >/dev/null
    mv -f -- "$work/package.deb" "$file"
    echo "$file"
}
