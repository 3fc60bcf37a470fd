#!/bin/sh
# Makes the streams that the tests beside it read, with ffmpeg and libx264. Run it in this folder.
set -eu
make() {
    name=$1
    shift
    ffmpeg -v error -y -f lavfi -i testsrc=size=64x48:rate=25 -frames:v 6 -pix_fmt yuv420p -c:v libx264 -threads 1 \
        -preset ultrafast -bsf:v filter_units=remove_types=6 "$@" -f h264 "$name.h264"
}
make two-slices -x264-params keyint=3:min-keyint=3:scenecut=0:slices=2:aud=1:repeat-headers=1
make plain -x264-params keyint=3:min-keyint=3:scenecut=0:bframes=1:b-adapt=0:repeat-headers=1
