#!/bin/sh
# Makes the streams that the tests of `h26x` and of `stream/access_units` read, with ffmpeg, libx264 and libx265. Run it in this
# folder.
set -eu
film() {
    name=$1
    frames=$2
    shift 2
    ffmpeg -v error -y -f lavfi -i testsrc=size=64x48:rate=25 -frames:v "$frames" -pix_fmt yuv420p -threads 1 "$@" "$name"
}
without_remarks="-bsf:v filter_units=remove_types=6"
h264="-c:v libx264 -preset ultrafast -f h264"
h265="-c:v libx265 -preset ultrafast -f hevc -x265-params log-level=0:info=0:pools=none:frame-threads=1:repeat-headers=1"
# shellcheck disable=SC2086
{
    film two-slices.h264 6 $h264 $without_remarks \
        -x264-params keyint=3:min-keyint=3:scenecut=0:slices=2:aud=1:repeat-headers=1
    film plain.h264 6 $h264 $without_remarks \
        -x264-params keyint=3:min-keyint=3:scenecut=0:bframes=1:b-adapt=0:repeat-headers=1
    # Key frames at the beginning only: the picture is made anew column by column.
    film refreshed.h264 24 $h264 -x264-params keyint=8:scenecut=0:intra-refresh=1:bframes=0:repeat-headers=1
    # Pictures that are shown before the one that stands alone, and need those before it.
    film open.h264 14 $h264 \
        -x264-params keyint=6:min-keyint=6:scenecut=0:open-gop=1:bframes=2:b-adapt=0:repeat-headers=1
    film plain.h265 6 $h265:keyint=3:min-keyint=3:scenecut=0:open-gop=0:bframes=0:vui-timing-info=1
    film open.h265 14 $h265:keyint=6:min-keyint=6:scenecut=0:open-gop=1:bframes=2:b-adapt=0:aud=1
}
